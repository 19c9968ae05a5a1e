"""The ledger: every claim with its verdict, and the runs behind it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deepcollapse.errors import DownloadError, MissingDataError, MissingExtraError
from deepcollapse.experiments.run_result import json_numbers
from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims import CLAIMS
from deepcollapse.reproduce.evidence import Evidence, evidence
from deepcollapse.reproduce.our_setting import our_setting
from deepcollapse.reproduce.scope import Scope
from deepcollapse.reproduce.verdict import Verdict
from deepcollapse.store import Store
from deepcollapse.store.disk import replace
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import STAGING

__all__ = ["Finding", "Ledger", "ledger", "other_failures"]

_LACKING = {kind.__name__ for kind in (DownloadError, MissingDataError, MissingExtraError)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim and what was found of it.

    Attributes:
        id: of the claim.
        title: in a few words.
        setting: of the paper.
        our_setting: of the runs behind it; empty without any.
        paper: what the paper states.
        ours: what was found, with numbers; intervals are at 95%.
        numbers: the same and more, in JSON types.
        verdict: one of four.
        reason: conditions, what failed, or why nothing can be said.
        runs: ids of the finished runs behind it.
    """

    id: str
    title: str
    setting: str
    our_setting: str
    paper: str
    ours: str
    numbers: Mapping[str, Any]
    verdict: Verdict
    reason: str
    runs: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"runs": list(self.runs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All findings of a reproduction.

    Attributes:
        size: "quick", "small" or "full".
        plan: its name in the store.
        claims: in the order of the claims.
    """

    size: str
    plan: str
    claims: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``ledger.json``."""
        return {"size": self.size, "plan": self.plan, "claims": [finding.as_json() for finding in self.claims]}

    def save(self, folder: Path) -> Path:
        """Write ``ledger.json``, down to the disk; an older one stays until the new one is whole.

        Args:
            folder: of the store.

        Raises:
            StoreError: the disk does not let it be written.
        """
        file = folder / "ledger.json"
        text = json.dumps(self.as_json(), allow_nan=False, indent=1) + "\n"

        with writing("ledger", file):
            replace(file, text.encode(), staging=folder / STAGING)
        return file


def ledger(store: Store, plan_name: str) -> Ledger:
    """Hold every claim that a reproduction covers against the runs that are done.

    Can be asked at any time: claims whose runs are missing say so.

    Args:
        store: with the runs.
        plan_name: of a plan that ``reproduction`` made.

    Raises:
        InvalidInputError: no such plan in the store, or one that is no reproduction's.
    """
    scope = Scope.of(plan_name)
    found = evidence(store, store.plan(plan_name), size=scope.size)
    findings = tuple(_finding(CLAIMS[id], found) for id in scope.claims)
    return Ledger(size=scope.size, plan=plan_name, claims=findings)


def _finding(claim: Claim, found: Evidence) -> Finding:
    judgement = claim.judgement(found)
    parts = [found.parts[name] for name in (*claim.needs, *claim.also) if name in found.parts]
    return Finding(
        id=claim.id,
        title=claim.title,
        setting=claim.setting,
        our_setting=our_setting(claim, found),
        paper=claim.paper,
        ours=judgement.ours,
        numbers=json_numbers(judgement.numbers),
        verdict=judgement.verdict,
        reason=judgement.reason,
        runs=tuple(dict.fromkeys(id for part in parts for id in part.done)),
    )


def other_failures(store: Store, plan_name: str) -> dict[str, str]:
    """Failed runs of a plan, with their errors, that do not lack images or libraries but went wrong."""
    return {id: error for id, error in store.status(plan_name).errors if not _lacks(error)}


def _lacks(error: str) -> bool:
    """Whether the error, a traceback's last line, is that of images or a library that are not there."""
    return error.partition(":")[0].rpartition(".")[2] in _LACKING
