"""What a preset stands for: the numbers of a recipe, as data."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import unknown_name

__all__ = ["PRESETS", "Recipe", "recipe_of"]

_FEW_ROWS = 2_000  # fewer have more epochs, up to four times as many
_MANY_ROWS = 20_000  # from here on half of the epochs lose nothing


@dataclass(frozen=True)
class Recipe:
    """The numbers that presets differ in; those that they share are beside the network that is made of them.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    epochs, batch_size : int
        Of a table of some thousand rows.
    networks : int
        Whose predictions are averaged, unless `n_ensemble` is given.
    min_frequency : int
        Of a category, in columns of more than 8 of them, in a table with many rows.
    """

    hidden: tuple[int, ...] = (256, 256, 256)
    epochs: int = 64
    batch_size: int = 256
    networks: int = 1
    min_frequency: int = 5

    def epochs_for(self, rows: int) -> int:
        """Epochs for so many training rows: of few rows they are few steps, which cost little."""
        if rows >= _MANY_ROWS:
            return self.epochs // 2
        return min(max(self.epochs, round(self.epochs * _FEW_ROWS / rows)), 4 * self.epochs)

    def frequency_for(self, rows: int) -> int:
        """`min_frequency` for so many training rows: 1 below 250, and one more for each 250 further ones, up to it."""
        return min(self.min_frequency, 1 + rows // 250)


PRESETS = {
    "default": Recipe(),
    "fast": Recipe(hidden=(128, 128), epochs=32),
    "best": Recipe(networks=8),
}


def recipe_of(preset: str) -> Recipe:
    """The recipe of a name."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    return PRESETS[preset]
