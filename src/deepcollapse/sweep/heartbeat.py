"""Signs of life while a run is computed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deepcollapse.store import Claim, ClaimLostError, StoreError

__all__ = ["heartbeat"]

_LOOK = 2.0  # seconds, at most, until a wish to stop is noticed


@contextmanager
def heartbeat(claim: Claim, *, stop: Callable[[], bool]) -> Iterator[Callable[[int, int], None]]:
    """Renew a claim from a thread of its own while the block runs.

    Args:
        claim: to renew, four times a lease.
        stop: asked from time to time whether the run is to be broken off.

    Yields:
        a callback for the run's progress: it raises ``ClaimLostError`` once the run is another worker's, and
        ``KeyboardInterrupt`` once it is to be broken off.
    """
    ended, lost, stopped = threading.Event(), threading.Event(), threading.Event()

    def beat() -> None:
        while not ended.wait(min(claim.lease / 4, _LOOK)):
            if stop():
                stopped.set()
            if not _renewed(claim):
                lost.set()

    def check(*_: int) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        if lost.is_set():
            raise ClaimLostError(
                f"claim: expected to hold run {claim.id}, but found it taken over after {claim.lease:g} s without "
                "renewal; ask for a longer lease"
            )

    thread = threading.Thread(target=beat, name=f"heartbeat {claim.id}", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()


def _renewed(claim: Claim) -> bool:
    try:
        return claim.renew()
    except StoreError:  # the disk hangs for a moment; if for longer, the commit tells
        return True
