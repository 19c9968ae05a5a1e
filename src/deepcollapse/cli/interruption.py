"""What a command that keeps its work says when it is interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["keeping"]


@contextmanager
def keeping(words: Callable[[], str]) -> Iterator[None]:
    """Inside, Ctrl-C ends the command with these words instead of "the same command starts from the beginning"."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(words()) from None
