"""The folder of a training run: of one run alone, and of one process at a time."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepcollapse.documents import json_object
from deepcollapse.errors import BusyError, InvalidInputError
from deepcollapse.experiments.train_spec import decisive
from deepcollapse.networks.replacing import replace_file

try:
    import fcntl
except ImportError:  # no POSIX system
    fcntl = None

__all__ = ["SPEC", "train_folder", "write_json"]

SPEC = "spec.json"


@contextmanager
def train_folder(folder: Path, document: dict[str, Any]) -> Iterator[None]:
    """Make the run's folder, or find that it is empty or holds the same run, and keep other processes out of it.

    Two processes in one folder would delete each other's checkpoints. The lock is the system's and ends with the
    process, however it ends.

    Args:
        folder: of the run.
        document: its specification.

    Raises:
        InvalidInputError: files of something else, or another run.
        BusyError: the run is being trained by another process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _expect_own(folder, document)
        yield


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Replace a file by one JSON document."""
    replace_file(file, (json.dumps(document, allow_nan=False, indent=1) + "\n").encode())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"folder: expected no other process to train in {folder}, but found one; wait for it, or name another"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


def _expect_own(folder: Path, document: dict[str, Any]) -> None:
    file = folder / SPEC
    if not file.exists():
        if any(held.name != f"{file.name}.part" for held in folder.iterdir()):
            raise InvalidInputError(
                f"folder: expected an empty one or a run, but found files in {folder}; name another"
            )
        return
    try:
        found = json_object(file.read_bytes())
    except (OSError, InvalidInputError) as error:
        raise InvalidInputError(
            f"folder: expected a run, but found {file} damaged ({error}); delete the folder, or name another"
        ) from None
    found, document = decisive(found), decisive(document)
    for key in sorted({*found, *document}):
        if found.get(key) != document.get(key):
            raise InvalidInputError(
                f"folder: expected a run with {key} = {json.dumps(document.get(key))}, but found "
                f"{json.dumps(found.get(key))} in {file}; name another folder"
            )
