"""Files that are whole or absent, whenever a process is killed or the power fails.

Everything is written in a staging folder, flushed, and then appears under its name in one step: by a hard link where
the name must be new, by a rename where it may replace an older file. Both work on network file systems; locks of files,
which often do not, are not used.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["beside", "file_clock", "flush", "put_new", "replace", "write_flushed"]


def beside(staging: Path, name: str) -> Path:
    """A path in the staging folder that no one else uses; the folder is made if missing."""
    staging.mkdir(exist_ok=True)
    return staging / f"{name}-{secrets.token_hex(6)}"


def flush(path: Path) -> None:
    """Make a file's content last, or the names in a folder: a link or rename lasts only once its folder is flushed."""
    if os.name == "posix" or path.is_file():
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_flushed(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, down to the disk: written first and flushed then, which takes half the time."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name in files:
        flush(folder / name)
    flush(folder)


def put_new(path: Path, content: bytes, *, staging: Path, lasting: bool = True) -> bool:
    """Make a file that must not exist yet; whether it was made. Of several at once exactly one makes it.

    Args:
        path: of the file.
        content: that it has from the first moment.
        staging: where it is written first.
        lasting: flush it to the disk; without, it may be gone or empty after the power failed.
    """
    path.parent.mkdir(exist_ok=True)
    part = beside(staging, path.stem)
    try:
        part.write_bytes(content)
        if lasting:
            flush(part)
        try:
            os.link(part, path)
        except FileExistsError:
            if part.stat().st_nlink != 2:  # else a network file system did it, lost the answer and tried again
                return False
        if lasting:
            flush(path.parent)
        return True
    finally:
        _discard(part)


def replace(path: Path, content: bytes, *, staging: Path) -> None:
    """Put a file in place of an older one, in one step.

    Args:
        path: of the file.
        content: that it gets.
        staging: where it is written first.
    """
    part = beside(staging, path.stem)
    try:
        part.write_bytes(content)
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    finally:
        _discard(part)


def file_clock(staging: Path) -> float:
    """Seconds since 1970 by the clock that stamps the store's files, which need not be this machine's."""
    part = beside(staging, "clock")
    try:
        part.touch(exist_ok=False)
        return part.stat().st_mtime
    finally:
        _discard(part)


def _discard(part: Path) -> None:
    with suppress(OSError):  # it is gone, or the disk is read-only
        part.unlink()
