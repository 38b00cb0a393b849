"""A table of numbers and strings, with targets that two of its columns tell: for several networks, and what follows."""

import numpy as np
import pandas as pd

RNG = np.random.default_rng(2)
N = 240
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N), "c": RNG.normal(size=N)})
SIGNAL = X["a"].to_numpy() + (X["b"] == "x").to_numpy()
LABELS = np.where(SIGNAL > 1.2, "high", np.where(SIGNAL > -0.5, "middle", "low"))
