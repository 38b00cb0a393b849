from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

def new_state(optimizer: Any, program: Any, dtype: DTypeLike) -> NDArray[np.floating[Any]]: ...
def state_slots(optimizer: Any) -> int: ...
