"""What a theorem says about one problem, with the numbers behind it and a second way to find them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from deepcollapse.ufm import Problem

__all__ = ["Certificate", "Check", "nothing_claimed", "outside_model", "plain", "standing_hypotheses"]

Provenance = Literal["paper", "derived"]


@dataclass(frozen=True, slots=True)
class Check:
    """Result of recomputing a certificate's claim another way.

    Attributes:
        agrees: whether the second computation confirms the certificate's verdict and numbers; None where it measured
            nothing to compare.
        method: how it was recomputed.
        numbers: what was found.
    """

    agrees: bool | None
    method: str
    numbers: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A theorem held against one problem.

    Attributes:
        theorem: "T1" ... "T7", "baseline" or "imbalance".
        provenance: "paper" (arXiv 2410.23169) or "derived".
        statement: the theorem in one sentence.
        hypotheses: each hypothesis in words, and whether the problem satisfies it.
        holds: whether the conclusion is true of this very problem, as far as the numbers tell: True or False where they
            decide it, inside the hypotheses or not; None where they do not.
        numbers: what proves or illustrates it.
        notes: what is true beyond the hypotheses, and how to read the numbers.
        recheck: recomputes what a certificate says and compares; called by ``check`` with the certificate itself.
    """

    theorem: str
    provenance: Provenance
    statement: str
    hypotheses: Mapping[str, bool]
    holds: bool | None
    numbers: Mapping[str, Any]
    recheck: Callable[["Certificate"], Check] = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether the problem satisfies every hypothesis."""
        return all(self.hypotheses.values())

    def check(self) -> Check:
        """Verdict and numbers recomputed another way; with nothing recomputed it neither agrees nor disagrees."""
        found = self.recheck(self)
        return found if found.numbers else replace(found, agrees=None)

    def as_json(self) -> dict[str, object]:
        """Plain dictionaries, lists, strings and numbers; the theorem's name is left to the caller's key."""
        return {
            "applies": self.applies,
            "holds": self.holds,
            "provenance": self.provenance,
            "statement": self.statement,
            "hypotheses": dict(self.hypotheses),
            "numbers": plain(self.numbers),
            "notes": list(self.notes),
        }


def standing_hypotheses(problem: Problem, *, activation: str = "linear", any_sizes: bool = False) -> dict[str, bool]:
    """The hypotheses all theorems share: the model with one decay, equally many samples per class, width at least K.

    With ``any_sizes`` the numbers of samples are free, as in the paper's appendix A.
    """
    return {
        "cross-entropy": problem.loss == "ce",
        f"{activation} activation": problem.activation == activation,
        **({} if any_sizes else {"equally many samples per class": problem.balanced}),
        "width >= classes": problem.d >= problem.classes,
        "one decay for all factors": len(set(problem.factor_decays)) == 1,
    }


def outside_model(problem: Problem, *, activation: str = "linear", any_sizes: bool = False) -> bool:
    """Whether the theorems do not speak of this problem at all; width and decays are a matter of degree."""
    at_least = problem.replace(width=problem.classes, decay=problem.mean_decay)
    model = standing_hypotheses(at_least, activation=activation, any_sizes=any_sizes)
    return not all(model.values())


def nothing_claimed(theorem: str, statement: str, hypotheses: Mapping[str, bool], *, note: str = "") -> Certificate:
    """A certificate that claims nothing, for a problem outside the model the theorem speaks of."""
    failed = ", ".join(text for text, true in hypotheses.items() if not true)

    def recheck(_: Certificate) -> Check:
        return Check(agrees=None, method="nothing is claimed, nothing to recompute", numbers={})

    return Certificate(
        theorem=theorem,
        provenance="paper",
        statement=statement,
        hypotheses=hypotheses,
        holds=None,
        numbers={},
        recheck=recheck,
        notes=(note or f"not applicable: {failed} is required",),
    )


def plain(value: object) -> object:
    """The value with mappings, sequences and NumPy numbers turned into what JSON knows.

    >>> plain({"values": np.array([1.0, 2.0]), "rank": np.int64(2)})
    {'values': [1.0, 2.0], 'rank': 2}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    return value
