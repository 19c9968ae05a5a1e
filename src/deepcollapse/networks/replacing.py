"""Files of a run, replaced as a whole: whoever reads finds the old content or the new one."""

import os
from pathlib import Path

from deepcollapse.errors import DeepcollapseError

__all__ = ["WritingError", "replace_file"]


class WritingError(DeepcollapseError, OSError):
    """The disk refused a file of a run: it is full, read-only or gone. What was there before is still there."""


def replace_file(file: Path, content: bytes) -> None:
    """Write the content beside the file, flush it to the disk, and put it in the file's place.

    Raises:
        WritingError: the disk refused; the old file, if there was one, stays.
    """
    beside = file.with_name(file.name + ".part")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
        _flush(file.parent)
    except OSError as error:
        if beside.is_file():
            beside.unlink()
        raise WritingError(
            f"{file}: expected to write {len(content)} bytes, but found: {error.strerror or error}; free some space or "
            "make the folder writable, and run again: a run goes on from its last checkpoint"
        ) from error


def _flush(folder: Path) -> None:
    """A rename is only on the disk once the folder is."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
