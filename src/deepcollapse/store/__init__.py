"""Stores of runs: claimed before they are computed, whole or absent, gathered in one table."""

from deepcollapse.store.claim_files import ClaimState
from deepcollapse.store.claims import Claim
from deepcollapse.store.failures import Failure
from deepcollapse.store.faults import ClaimLostError, StoreError
from deepcollapse.store.garbage import Removed
from deepcollapse.store.grid import to_xarray
from deepcollapse.store.identity import run_id
from deepcollapse.store.plans import PlanRecord, Queued
from deepcollapse.store.runs import Outcome, StoredArrays, StoredRun
from deepcollapse.store.status import Status
from deepcollapse.store.store import Store

__all__ = [
    "Claim",
    "ClaimLostError",
    "ClaimState",
    "Failure",
    "Outcome",
    "PlanRecord",
    "Queued",
    "Removed",
    "Status",
    "Store",
    "StoreError",
    "StoredArrays",
    "StoredRun",
    "run_id",
    "to_xarray",
]
