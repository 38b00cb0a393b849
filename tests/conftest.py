import os
import signal
import sys
import threading

import hypothesis
import pytest

from mlpfast.core.table import set_max_threads

# No test depends on how fast the machine is, what else it does, or what was drawn there before.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize=True)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="module")
def no_figure_is_left():
    """Of the pages and examples, which leave theirs open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def as_many_threads_as_asked_for():
    """Also on a machine with fewer cores: up to eight."""
    set_max_threads(8)
    yield
    set_max_threads(0)


@pytest.fixture
def ctrl_c_after():
    """A function that sends this process a Ctrl-C after some seconds.

    Where SIGINT is ignored, as in a shell's background job, Python installs no handler for it: so it is installed here.
    """
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timers = []

    def send(seconds):
        timers.append(threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    try:
        yield send
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()
        signal.signal(signal.SIGINT, before)
