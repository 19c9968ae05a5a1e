"""The ledger of claims beside a store, checked so far that the page can show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deepcollapse.documents import json_object
from deepcollapse.report.site.ledger_numbers import Share, named_numbers, shares
from deepcollapse.reproduce import VERDICTS

__all__ = ["Claim", "Ledger", "read_ledger"]

_TEXTS = ("id", "title", "setting", "our_setting", "paper", "ours", "verdict", "reason")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper and what was found; all texts are shown as they are.

    Attributes:
        id: "E2", "T5", ...
        title, setting, our_setting, paper, ours, verdict, reason: as in the ledger.
        numbers: the numbers behind it, by dotted key, in order; the first ``_SHOWN``.
        shares: the shares among them that have an interval.
        runs: the runs it rests on.
    """

    id: str
    title: str
    setting: str
    our_setting: str
    paper: str
    ours: str
    verdict: str
    reason: str
    numbers: tuple[tuple[str, str], ...]
    shares: tuple[Share, ...]
    runs: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The verdict as a name of a style; an unknown one looks like one that is out of reach."""
        return (self.verdict if self.verdict in VERDICTS else VERDICTS[-1]).replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Ledger:
    """All claims, or why there are none.

    Attributes:
        size: of the reproduction, "quick", "small" or "full".
        plan: its name in the store.
        claims: in the ledger's order.
        fault: why the file beside the store cannot be shown; empty if it can or if there is none.
    """

    size: str
    plan: str
    claims: tuple[Claim, ...]
    fault: str = ""

    @property
    def tally(self) -> list[tuple[str, str, int]]:
        """(verdict, its style, number of claims) for each verdict that occurs, the best first."""
        found = dict.fromkeys([*VERDICTS, *(claim.verdict for claim in self.claims)])
        marks = {claim.verdict: claim.mark for claim in self.claims}
        counts = {verdict: sum(claim.verdict == verdict for claim in self.claims) for verdict in found}
        return [(verdict, marks[verdict], count) for verdict, count in counts.items() if count]


def read_ledger(store: Path) -> Ledger | None:
    """The ledger in ``ledger.json`` of a store, None if there is none."""
    path = store / "ledger.json"
    try:
        document = json_object(path.read_bytes())
        claims = tuple(_claim(entry) for entry in document["claims"])
        return Ledger(size=str(document["size"]), plan=str(document["plan"]), claims=claims)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Ledger("", "", (), fault=f"{type(error).__name__}: {error}")


def _claim(entry: Mapping[str, Any]) -> Claim:
    numbers = entry.get("numbers") or {}
    return Claim(
        **{name: str(entry.get(name) or "") for name in _TEXTS},
        numbers=tuple(islice(named_numbers(numbers), _SHOWN)) if numbers else (),
        shares=tuple(islice(shares(numbers), _SHOWN)),
        runs=tuple(map(str, entry.get("runs") or ())),
    )
