"""What can go wrong with a store on a disk, in one line each; what is finished stays whatever happens."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepcollapse.errors import DeepcollapseError

__all__ = ["ClaimLostError", "StoreError", "writing"]

_SPACE = "free some space on that disk and run again"
_RIGHTS = "make it writable, or take another store"
_LINKS = "take a store where you may write, on a file system with hard links"
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _LINKS,
    errno.ENOTSUP: _LINKS,
}


class StoreError(DeepcollapseError, OSError):
    """The disk refused something: full, read-only, gone; the message names what, where and the remedy."""


class ClaimLostError(DeepcollapseError, RuntimeError):
    """A run is no longer this worker's: its lease ran out and another worker took it over, or it is done."""


@contextmanager
def writing(what: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``StoreError``.

    Args:
        what: is being written or removed, "claim of run 0f3a..." for example.
        path: where.

    Raises:
        StoreError: instead of any ``OSError``.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        number = error.errno or 0
        reason, remedy = (
            os.strerror(number) if number else error,
            _REMEDIES.get(number, "see to the disk and run again"),
        )
        raise StoreError(
            f"{what}: expected to write {path}, but found: {reason}; {remedy}; nothing that was finished is lost"
        ) from error
