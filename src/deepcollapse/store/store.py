"""A folder that holds runs: what is wanted, who does what, and what came out."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store import table as tables
from deepcollapse.store.claim_files import ClaimState, claim_states
from deepcollapse.store.claims import Claim, claim_run
from deepcollapse.store.commits import commit
from deepcollapse.store.disk import flush, put_new
from deepcollapse.store.failures import Failure, failed_attempts, keep_failure, read_failure
from deepcollapse.store.faults import writing
from deepcollapse.store.garbage import Removed, remove_garbage
from deepcollapse.store.identity import checked_id
from deepcollapse.store.layout import FOLDERS, RUNS, STAGING, STORE_FILE, done_ids, is_done
from deepcollapse.store.plans import PlanRecord, Queued, add_plan, plan_named, read_plans
from deepcollapse.store.query import query
from deepcollapse.store.runs import Outcome, StoredRun, read_run
from deepcollapse.store.status import Status, status, statuses

__all__ = ["Store"]

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of runs, for any number of workers at once on any number of machines.

    A run is claimed before it is computed and appears whole or not at all, whenever a worker is killed; a finished run
    is never repeated. All methods raise ``StoreError`` where the disk refuses to write.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: str | PathLike[str]) -> "Store":
        """Make a store, or open the one that is there.

        Raises:
            InvalidInputError: a folder that holds other things, or a store of another format.
            StoreError: the disk does not let it be made.
        """
        root = Path(path).absolute()
        if root.exists() and not root.is_dir():
            raise InvalidInputError(f"store: expected a folder, but found a file at {root}; name another")
        with writing("store", root):
            root.mkdir(parents=True, exist_ok=True)
            if not (root / STORE_FILE).exists():
                strange = sorted({entry.name for entry in root.iterdir()} - {*FOLDERS, STORE_FILE})
                if strange:
                    raise InvalidInputError(
                        f"store: expected a store or an empty folder, but found {strange[0]} in {root}; name another"
                    )
                for name in FOLDERS:
                    (root / name).mkdir(exist_ok=True)
                flush(root)
                with suppress(PermissionError):  # one may make folders where one may not list them
                    flush(root.parent)
                put_new(root / STORE_FILE, json.dumps({"format": _FORMAT}).encode(), staging=root / STAGING)
        return cls.open(root)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> "Store":
        """The store in a folder.

        Raises:
            InvalidInputError: there is none, or one of another format.
        """
        file = Path(path).absolute() / STORE_FILE
        try:
            found = json_object(file.read_bytes(), {"format": int})["format"]
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidInputError(
                f"store: expected a store, but found no {file}; check the path, or begin one with deepcollapse sweep"
            ) from None
        except (OSError, InvalidInputError) as error:
            raise InvalidInputError(
                f'store: expected {{"format": {_FORMAT}}}, but could not read {file} ({error}); correct that file'
            ) from None
        if found != _FORMAT:
            raise InvalidInputError(
                f"store: expected format {_FORMAT}, but found {found} in {file}; use the release that made it"
            )
        return cls(Path(path).absolute())

    def enqueue(self, name: str, runs: Iterable[Queued], document: Mapping[str, Any]) -> None:
        """Add a plan; one that is there already is left as it is.

        Raises:
            InvalidInputError: another plan of this name, or content that is not plain JSON.
        """
        add_plan(self.path, PlanRecord(name, document, tuple(runs)))

    def plans(self) -> tuple[PlanRecord, ...]:
        """All plans by name."""
        return read_plans(self.path)

    def plan(self, name: str) -> PlanRecord:
        """The plan of that name.

        Raises:
            InvalidInputError: the store holds none of that name.
        """
        return plan_named(self.plans(), name)

    def claim(self, id: str, worker: str, lease: float) -> Claim | None:
        """Claim a run to do it; None if it is done, or a living worker holds it.

        Args:
            id: of the run.
            worker: a name for people to read.
            lease: seconds; without renewal for so long the run may be taken over.
        """
        return claim_run(self.path, checked_id(id), worker=worker, lease=lease)

    def commit(self, claim: Claim, outcome: Outcome) -> None:
        """Keep a result: the run is done then, its claim and its work folder are removed.

        Raises:
            ClaimLostError: the run is another worker's by now, or done.
            InvalidInputError: a result that cannot be written.
        """
        commit(claim, outcome)

    def fail(self, claim: Claim, error: BaseException) -> None:
        """Keep an error with its traceback, and give the run back; it may be tried again."""
        keep_failure(self.path, claim.id, attempt=claim.attempt, worker=claim.worker, error=error)
        claim.release()

    def done(self) -> set[str]:
        """Ids of the finished runs."""
        return done_ids(self.path)

    def failures(self, id: str) -> list[Failure]:
        """What went wrong with a run, by attempt."""
        return [read_failure(self.path, id, attempt) for attempt in failed_attempts(self.path).get(id, [])]

    def claimed(self) -> dict[str, ClaimState]:
        """The last claim of every run that has one and is not done, given back ones left out; some may be dead."""
        done = self.done()
        last = {id: state for id, _, state in claim_states(self.path) if id not in done}
        return {id: state for id, state in last.items() if not state.released}

    def run(self, id: str) -> StoredRun:
        """A finished run.

        Raises:
            InvalidInputError: not done, or damaged.
        """
        if not is_done(self.path, checked_id(id)):
            raise InvalidInputError(f"run: expected a finished run, but found no {id} in {self.path}; see its status")
        return read_run(self.path / RUNS / id)

    def table(self, ids: Collection[str] | None = None) -> pa.Table:
        """Rows of these finished runs, or of all, by run."""
        return tables.table(self.path, ids)

    def compact(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Gather the rows of all runs in one file, so that they are read quickly; how many runs were new to it."""
        return tables.compact(self.path, progress)

    def query(self, sql: str) -> pa.Table:
        """The answer to a question in SQL about the table ``runs``.

        Raises:
            InvalidInputError: SQL that is none, or names what is not there.
        """
        return query(self.table(), sql)

    def status(self, plan: str | None = None) -> Status:
        """How far the store has come, or one of its plans.

        Raises:
            InvalidInputError: no plan of this name.
        """
        return status(self.path, plan)

    def statuses(self) -> tuple[Status, ...]:
        """How far each plan has come, by name, and at last the whole store; all of them at one moment."""
        return statuses(self.path)

    def gc(self, dry: bool = False, *, unplanned: bool = False) -> Removed:
        """Remove what crashed workers left; never what a living worker holds.

        Args:
            dry: only say what would be removed.
            unplanned: remove also finished runs that no plan names.
        """
        return remove_garbage(self.path, dry=dry, unplanned=unplanned)
