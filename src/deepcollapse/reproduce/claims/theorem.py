"""Certificates of a theorem in the documents of theory runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.reproduce.evidence import Evidence

__all__ = ["Certified", "certified", "listed", "recheck_checks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What one run says of a theorem.

    Attributes:
        classes: K.
        layers: L.
        decay: one number; the geometric mean if factors differ.
        width: d.
        samples: n.
        applies: whether the hypotheses are met.
        holds: True, False, or None where the numbers do not decide.
        numbers: of the certificate.
        agrees: whether the second computation agrees; None where it compared nothing.
        document: of the run.
    """

    classes: int
    layers: int
    decay: float
    width: int
    samples: int
    applies: bool
    holds: bool | None
    numbers: Mapping[str, Any]
    agrees: bool | None
    document: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The setting, short."""
        return f"K = {self.classes}, L = {self.layers}, decay {self.decay:.4g}"


def certified(found: Evidence, part: str, theorem: str) -> list[Certified]:
    """One for each run of a part, in the plan's order."""
    return [_certified(document, theorem) for document in found.parts[part].documents]


def recheck_checks(entries: Sequence[Certified]) -> dict[str, bool]:
    """That the second computation agrees wherever it compared something, and that it did somewhere."""
    compared = [entry.agrees for entry in entries if entry.agrees is not None]
    return {f"recomputed another way, all of {len(compared)} certificates agree": bool(compared) and all(compared)}


def listed(entries: Sequence[Certified], most: int = 4) -> str:
    """Where, with the first few named."""
    places = [entry.place for entry in entries]
    return "; ".join(places[:most]) + (f"; and {len(places) - most} more" if len(places) > most else "")


def _certified(document: Mapping[str, Any], theorem: str) -> Certified:
    problem, certificate = document["problem"], document["theorems"][theorem]
    decay = problem["decay"]
    return Certified(
        classes=problem["classes"],
        layers=problem["layers"],
        decay=decay if isinstance(decay, float) else float("nan"),
        width=problem["width"],
        samples=problem["samples"],
        applies=certificate["applies"],
        holds=certificate["holds"],
        numbers=certificate["numbers"],
        agrees=document["rechecks"][theorem]["agrees"],
        document=document,
    )
