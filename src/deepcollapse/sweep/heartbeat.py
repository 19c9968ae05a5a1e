"""Signs of life while a run is computed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deepcollapse.store import Claim, StoreError

__all__ = ["heartbeat"]

_LOOK = 2.0  # seconds, at most, until a wish to stop is noticed


@contextmanager
def heartbeat(claim: Claim, *, stop: Callable[[], bool]) -> Iterator[Callable[[int, int], None]]:
    """Renew a claim from a thread of its own while the block runs.

    Args:
        claim: to renew, every two seconds, or four times a lease if that is shorter than eight seconds.
        stop: asked from time to time whether the run is to be broken off.

    Yields:
        a callback for the run's progress: it raises ``ClaimLostError`` once the run is another worker's, and
        ``KeyboardInterrupt`` once it is to be broken off.
    """
    ended, lost, stopped = threading.Event(), threading.Event(), threading.Event()

    def beat() -> None:
        while not ended.wait(min(claim.lease / 4, _LOOK)):
            if _asked(stop):
                stopped.set()
            if not _renewed(claim):
                lost.set()

    def check(*_: int) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        if lost.is_set():
            raise claim.lost()

    thread = threading.Thread(target=beat, name=f"heartbeat {claim.id}", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()


def _asked(stop: Callable[[], bool]) -> bool:
    try:
        return stop()
    except Exception:  # whoever is asked is away for a moment; if for longer, the question before the next run tells
        return False


def _renewed(claim: Claim) -> bool:
    try:
        return claim.renew()
    except StoreError:  # the disk hangs for a moment; if for longer, the commit tells
        return True
