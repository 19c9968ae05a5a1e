"""Ending a worker from outside: Ctrl-C and SIGTERM become a KeyboardInterrupt in the main thread."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["deaf_to_interrupts", "interruptible"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TOGETHER = 2.0  # seconds


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Inside, these signals raise KeyboardInterrupt and set the event.

    What comes within ``_TOGETHER`` after the first is part of it (a terminal and a launcher may both send one), so that
    cleaning up goes on. A signal that was ignored before stays ignored. In a thread other than the main one no signals
    arrive.
    """
    asked, first = threading.Event(), [0.0]

    def interrupt(*_: int | FrameType | None) -> None:
        if not asked.is_set() or time.monotonic() - first[0] > _TOGETHER:
            first[0] = time.monotonic()
            asked.set()
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) or signal.SIG_DFL for number in heard}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C, which the terminal sends to all: whoever started them tells them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
