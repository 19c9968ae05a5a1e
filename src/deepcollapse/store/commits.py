"""Putting a result in the store, whole or not at all, and never twice."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from deepcollapse.store.claim_files import remove_claims
from deepcollapse.store.claims import Claim
from deepcollapse.store.disk import beside, flush, write_flushed
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import RUNS, STAGING
from deepcollapse.store.runs import Outcome

__all__ = ["commit"]


def commit(claim: Claim, outcome: Outcome) -> None:
    """Write a result and make it the run's: the run is done then.

    All files go to a folder beside and down to the disk; then the folder is renamed to its place, where none may be.
    Killed before that, the run is not done, and after it, it is. What a run needed meanwhile is removed last.

    Raises:
        ClaimLostError: the run is another worker's by now, or done.
        InvalidInputError: a result that cannot be written.
        StoreError: the disk refuses; nothing of the result is left then, unless all of it is.
    """
    root, folder = claim.root, claim.root / RUNS / claim.id
    files = outcome.files(claim.id)
    with writing(f"result of run {claim.id}", folder):
        claim.expect_held()
        folder.parent.mkdir(exist_ok=True)
        part = beside(root / STAGING, claim.id)
        try:
            write_flushed(part, files)
            _rename(part, folder)
        except OSError:
            if folder.exists():  # another worker's; gc may have removed this one's part, too
                raise claim.lost() from None
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        flush(folder.parent)
    with suppress(OSError):  # the run is done; what stays is removed by gc
        remove_claims(root, claim.id, range(1, claim.number), last=claim.number)
    shutil.rmtree(claim.work, ignore_errors=True)


def _rename(part: Path, folder: Path) -> None:
    own = part.stat().st_ino
    try:
        os.rename(part, folder)
    except OSError:
        if not folder.exists() or folder.stat().st_ino != own:
            raise  # else a network file system did it, lost the answer and tried again
