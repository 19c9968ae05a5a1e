"""Putting a result in the store, whole or not at all, and never twice."""

import os
import shutil
from pathlib import Path

from deepcollapse.store.claims import Claim, remove_claims
from deepcollapse.store.disk import beside, flush_folder, write_flushed
from deepcollapse.store.faults import ClaimLostError, writing
from deepcollapse.store.layout import RUNS, STAGING, is_done
from deepcollapse.store.runs import Outcome

__all__ = ["commit"]


def commit(claim: Claim, outcome: Outcome) -> None:
    """Write a result and make it the run's: the run is done then.

    All files go to a staging folder and down to the disk, and the folder is renamed to its place, where none may be.

    Raises:
        ClaimLostError: the run is another worker's by now, or done.
        InvalidInputError: a result that cannot be written.
        StoreError: the disk refuses; the run is then not done, and nothing of the result is left.
    """
    root, folder = claim.root, claim.root / RUNS / claim.id
    files = outcome.files(claim.id)
    with writing(f"result of run {claim.id}", folder):
        if not claim.held():
            raise _lost(claim)
        part = beside(root / STAGING, claim.id)
        try:
            part.mkdir()
            for name, content in files.items():
                write_flushed(part / name, content)
            flush_folder(part)
            _rename(part, folder, claim)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        flush_folder(folder.parent)
        remove_claims(root, claim.id)
        shutil.rmtree(claim.work, ignore_errors=True)


def _rename(part: Path, folder: Path, claim: Claim) -> None:
    folder.parent.mkdir(exist_ok=True)
    try:
        os.rename(part, folder)
    except OSError:
        if not part.exists() and folder.exists():  # a network file system may do it, lose the answer and try again
            return
        if is_done(claim.root, claim.id):
            raise _lost(claim) from None
        raise


def _lost(claim: Claim) -> ClaimLostError:
    return ClaimLostError(
        f"claim: expected {claim.worker} to hold run {claim.id}, but found it done or taken over after {claim.lease:g} "
        "s without renewal; renew the claim more often, or ask for a longer lease"
    )
