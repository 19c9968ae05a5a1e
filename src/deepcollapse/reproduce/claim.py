"""A claim of the paper, and how it is judged."""

from collections.abc import Callable
from dataclasses import dataclass

from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, out_of_reach

__all__ = ["Claim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement, its setting, and the code that holds it against runs.

    Attributes:
        id: "E1" to "E8" for experiments, "T1" to "T7" for theorems.
        title: in a few words.
        setting: of the paper.
        paper: what the paper states, in our words.
        needs: parts of the plan without which nothing can be said.
        also: parts that are looked at where they are there; a missing one is for ``judge`` to mention.
        judge: from complete parts to a judgement.
    """

    id: str
    title: str
    setting: str
    paper: str
    needs: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    judge: Callable[[Evidence], Judgement]

    def wants(self, part: str) -> bool:
        """Whether runs of the part are for this claim."""
        return part in self.needs or part in self.also

    def judgement(self, found: Evidence) -> Judgement:
        """The verdict on what there is."""
        gaps = found.gaps(self.needs)
        if not self.needs and not any(found.part(name) for name in self.also):
            gaps = found.gaps(self.also)
        return out_of_reach("; ".join(gaps)) if gaps else self.judge(found)
