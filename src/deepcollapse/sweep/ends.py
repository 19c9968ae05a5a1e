"""How the seeds and networks of finished runs ended."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deepcollapse.simulate import DECIDED, STATUSES
from deepcollapse.store import Store

__all__ = ["Ends", "ends"]

_NAMES = {"collapsed": "zero"}  # of the outcomes of networks


@dataclass(frozen=True, slots=True)
class Ends:
    """Counts over the rows of finished runs of the kinds simulate and train.

    Attributes:
        counts: by status, in the order of ``simulate.STATUSES``; statuses that no row has are 0.
    """

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All ends."""
        return sum(self.counts.values())

    @property
    def undecided(self) -> int:
        """Those that neither converged nor settled."""
        return self.total - sum(self.counts[status] for status in DECIDED)

    def sentence(self) -> str:
        """The counts that are not 0, in words.

        >>> Ends(dict.fromkeys(STATUSES, 0) | {"converged": 3, "diverged": 1}).sentence()
        '4 ends: 3 converged, 1 diverged'
        """
        return f"{self.total} ends: " + ", ".join(f"{count} {name}" for name, count in self.counts.items() if count)

    def advice(self) -> Iterator[str]:
        """What to change, one line for each way in which runs failed to end."""
        if diverged := self.counts["diverged"]:
            yield f"lr: {diverged} of {self.total} diverged; lower lr (deepcollapse plan warns above a known bound)"
        if slow := self.counts["not converged"]:
            yield f"steps_max: {slow} of {self.total} still descended at the horizon; raise steps_max"
        if stalled := self.counts["stalled"]:
            yield f"lr: {stalled} of {self.total} moved to and fro without getting lower; divide lr by 10"

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return {status.replace(" ", "_"): count for status, count in self.counts.items()}


def ends(store: Store, ids: Collection[str] | None = None) -> Ends:
    """The ends in the rows of these finished runs, or of all.

    Raises:
        InvalidInputError: a damaged file.
    """
    table = store.table(ids)
    columns = [table[name].to_pylist() for name in ("status", "outcome") if name in table.column_names]
    found = Counter(_NAMES.get(value, value) for column in columns for value in column if value is not None)
    return Ends({status: found[status] for status in STATUSES})
