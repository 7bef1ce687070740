"""Stands in for PyTorch: what the embedding process asks of it, and no more."""

from contextlib import AbstractContextManager, nullcontext


def set_num_threads(count: int) -> None:
    """Do nothing."""


def inference_mode() -> AbstractContextManager[None]:
    """Return a context in which nothing is different."""
    return nullcontext()
