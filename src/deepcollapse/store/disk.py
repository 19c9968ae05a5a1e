"""Files that are whole or absent, whenever a process is killed or the power fails.

Everything is written beside its place, flushed, and then appears under its name in one step: a hard link where the name
must be new, a rename where it may replace an older file. Both work on network file systems; locks of files, which
often do not, are not used.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

__all__ = ["beside", "file_clock", "flush_folder", "put_new", "replace", "write_flushed"]


def beside(staging: Path, name: str) -> Path:
    """A path in the staging folder that no one else uses; the folder is made if missing."""
    staging.mkdir(exist_ok=True)
    return staging / f"{name}-{secrets.token_hex(6)}"


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file down to the disk."""
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Make names in a folder last: a link or rename is on the disk only once its folder is."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def put_new(path: Path, content: bytes, *, staging: Path) -> bool:
    """Make a file that must not exist yet; whether it was made. Of several at once exactly one makes it."""
    path.parent.mkdir(exist_ok=True)
    part = beside(staging, path.stem)
    try:
        write_flushed(part, content)
        try:
            os.link(part, path)
        except FileExistsError:
            if part.stat().st_nlink != 2:  # a network file system may do it, lose the answer and try again
                return False
        flush_folder(path.parent)
        return True
    finally:
        part.unlink(missing_ok=True)


def replace(path: Path, write: Callable[[Path], None], *, staging: Path) -> None:
    """Put a file in place of an older one, in one step.

    Args:
        path: of the file.
        write: writes it to the path it is given.
        staging: where it is written first.
    """
    part = beside(staging, path.stem)
    try:
        write(part)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
        flush_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def file_clock(staging: Path) -> float:
    """Seconds since 1970 by the clock that stamps the store's files, which need not be this machine's."""
    part = beside(staging, "clock")
    try:
        part.touch(exist_ok=False)
        return part.stat().st_mtime
    finally:
        part.unlink(missing_ok=True)
