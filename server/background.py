"""Work that goes on beside requests for as long as the server runs. Knows nothing of what the work is."""

import logging
from collections.abc import Awaitable, Callable

import anyio

_LONGEST_PAUSE = 60.0

logger = logging.getLogger(__name__)


async def kept_running(name: str, work: Callable[[], Awaitable[None]], *, pause: float = 1.0) -> None:
    """Run `work` to its end; where a defect breaks it off, say so and begin it again.

    Without this a defect in one corner would end the whole server.

    Args:
        name: what the log calls it.
        work: may be begun again at any time.
        pause: seconds before the first repetition; doubled for each further one, up to a minute.
    """
    while True:
        try:
            await work()
        except Exception:  # the worker edge: one failure must not end the server
            logger.exception("%s broke off. It begins again in %.0f s.", name, pause)
        else:
            return
        await anyio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
