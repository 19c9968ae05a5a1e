"""Runs that ended in an error: each with its traceback, one file per attempt."""

import json
import socket
import traceback
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import put_new
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import FAILURES, STAGING, numbered

__all__ = ["Failure", "failed_attempts", "failure_path", "keep_failure", "read_failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that ended in an error.

    Attributes:
        attempt: its number.
        error: the traceback's last line.
        traceback: as Python prints it.
        worker: the name of whoever tried.
        host: its machine.
        at: when it ended, ISO 8601.
    """

    attempt: int
    error: str
    traceback: str
    worker: str
    host: str
    at: str


_FIELDS = {field.name: field.type for field in fields(Failure)}


def keep_failure(root: Path, id: str, *, attempt: int, worker: str, error: BaseException) -> None:
    """Write down how an attempt ended.

    Raises:
        StoreError: the disk does not let it be written.
    """
    text = "".join(traceback.format_exception(error))
    failure = Failure(
        attempt=attempt,
        error=text.strip().rpartition("\n")[2].strip(),
        traceback=text,
        worker=worker,
        host=socket.gethostname(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    path = failure_path(root, id, attempt)
    with writing(f"failure of run {id}", path):
        put_new(path, json.dumps(asdict(failure), indent=1).encode(), staging=root / STAGING)


def failed_attempts(root: Path) -> dict[str, list[int]]:
    """The attempts that failed, in order, by run."""
    found: dict[str, list[int]] = {}
    for id, attempt in numbered(root / FAILURES):
        found.setdefault(id, []).append(attempt)
    return {id: sorted(attempts) for id, attempts in found.items()}


def failure_path(root: Path, id: str, attempt: int) -> Path:
    """Where a failure's file is."""
    return root / FAILURES / f"{id}-{attempt}.json"


def read_failure(root: Path, id: str, attempt: int) -> Failure:
    """One failed attempt.

    Raises:
        InvalidInputError: a damaged file.
    """
    path = failure_path(root, id, attempt)
    try:
        found = json_object(path.read_bytes(), _FIELDS)
        return Failure(**{name: found[name] for name in _FIELDS})
    except (OSError, InvalidInputError) as error:
        raise InvalidInputError(
            f"failure: expected a failed attempt, but found {path} damaged ({error}); delete this file"
        ) from None
