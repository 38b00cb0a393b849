import numpy as np
from numpy.typing import NDArray

SHUFFLE: int
INITIALIZE: int
SPLIT: int
RUNS: int

def permutation(seed: int, purpose: int, step: int, n: int) -> NDArray[np.int64]: ...
def uniform(seed: int, purpose: int, step: int, n: int, start: int = 0) -> NDArray[np.float64]: ...
def normal(seed: int, purpose: int, step: int, n: int, start: int = 0) -> NDArray[np.float64]: ...
