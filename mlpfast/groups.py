"""Groups of parameters that are trained by rules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import boolean, real, unknown_name
from .optimizers import Optimizer
from .parts import ROLES, Rule
from .program import Program

__all__ = ["Group", "as_groups", "check_by_rows", "in_groups"]

#: What users call the tensors of a role.
_ROLES = {"weights": "weight", "biases": "bias", "frequencies": "frequency", "embeddings": "table"} | {
    f"{role}s": role for role in ROLES if role in ("scale", "shift", "slope")
}


@dataclass(frozen=True)
class Group:
    """How some parameters are trained; what is None is as their layer has it.

    Parameters
    ----------
    trainable : bool, optional
        False: they stay as they are, and no gradient is computed where none is needed.
    learning_rate_scale : float >= 0, optional
        In relation to the trainer's learning rate.
    weight_decay_scale : float >= 0, optional
        In relation to the optimizer's weight decay. A step takes ``learning_rate * learning_rate_scale * weight_decay *
        weight_decay_scale`` of them away, before anything else. (RealMLP's code squares its two factors, where its
        paper does not: 36 for its front scale's 6 is ``Group(learning_rate_scale=6, weight_decay_scale=6)``.)
    epsilon_scale : float > 0, optional
        In relation to the optimizer's epsilon (Adam and its kin, RMSprop, Adagrad).
    l1, l2 : float >= 0, optional
        Penalties in place of the trainer's.
    max_norm : float > 0, optional
        After each step, a unit's weights whose Euclidean norm is above it are scaled down to it (Srebro and Shraibman,
        2005).

    Raises
    ------
    TypeError, ValueError
        If one of them is of another type, or out of range.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(4, [mf.Scale(), mf.Dense(3)])
    >>> trainer = mf.Trainer(model, "mse", groups={"scales": mf.Group(learning_rate_scale=6.0), "W1": {"l2": 0.1}})
    """

    trainable: bool | None = None
    learning_rate_scale: float | None = None
    weight_decay_scale: float | None = None
    epsilon_scale: float | None = None
    l1: float | None = None
    l2: float | None = None
    max_norm: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name == "trainable":
                checked: Any = boolean("trainable", value)
            elif field.name in ("epsilon_scale", "max_norm"):
                checked = real(field.name, value, above=0.0)
            else:
                checked = real(field.name, value, at_least=0.0)
            object.__setattr__(self, field.name, checked)

    def applied(self, rule: Rule) -> Rule:
        """The rule with what this group sets."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return rule._replace(**{name: value for name, value in given.items() if value is not None})


def as_groups(groups: Any, program: Program) -> dict[str, Group]:
    """A mapping from roles, or names of tensors, to groups: checked against the tensors that there are."""
    if groups is None:
        return {}
    if not isinstance(groups, Mapping):
        raise TypeError(
            f"expected groups to be a mapping such as {{'biases': Group(...)}}, got {type(groups).__name__}"
        )
    names = [tensor.name for tensor in program.tensors]
    roles = {tensor.role for tensor in program.tensors}
    found = {}
    for name, group in groups.items():
        if name not in names and _ROLES.get(name) not in roles:
            present = [called for called, role in _ROLES.items() if role in roles]
            raise unknown_name("group", name, [*present, *names])
        if not isinstance(group, Group):
            if not isinstance(group, Mapping):
                raise TypeError(f"groups[{name!r}]: expected a Group, or a dict of its arguments, got {group!r}")
            unknown = [key for key in group if key not in [field.name for field in fields(Group)]]
            if unknown:
                raise unknown_name("argument of a group", unknown[0], [field.name for field in fields(Group)])
            group = Group(**group)
        found[name] = group
    return found


def in_groups(program: Program, groups: Mapping[str, Group]) -> Program:
    """The program with the rules of groups: those by role, then those by name."""
    rules = []
    for tensor in program.tensors:
        rule = tensor.rule
        for by_name in (False, True):
            for name, group in groups.items():
                if (name == tensor.name) if by_name else (_ROLES.get(name) == tensor.role):
                    rule = group.applied(rule)
        rules.append(rule)
    return program.with_rules(rules)


def check_by_rows(program: Program, l1: float, l2: float, optimizer: Optimizer) -> None:
    """See that nothing is asked of the whole of a tensor of which a step updates some rows alone."""
    for tensor in program.by_rows:
        rule = tensor.rule
        asked = {
            "l1": l1 if rule.l1 is None else rule.l1,
            "l2": l2 if rule.l2 is None else rule.l2,
            "max_norm": rule.max_norm,
            "clip_norm": program.clips,
            type(optimizer).__name__ if optimizer.ema is None else "ema": optimizer.averages,
        }
        for name, value in asked.items():
            if value:
                raise ValueError(
                    f"expected no {name} for {tensor.name!r}, of which each step updates only the rows that its batch "
                    f"has; give its Embedding update='all'"
                    + (
                        f", or leave it out: groups={{{tensor.name!r}: Group({name}=0.0)}}"
                        if name in ("l1", "l2")
                        else ""
                    )
                )
