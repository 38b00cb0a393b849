"""What a call takes, as tracemalloc sees it: NumPy reports to it."""

import tracemalloc


def peak(function):
    """The most bytes that a call had at once."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
