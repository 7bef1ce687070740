"""Time, passed in so that tests can move it."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds since the Unix epoch."""

system_clock: Clock = time.time
