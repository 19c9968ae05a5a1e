"""A run as a plain document: the feature model's entries stand beside the others, and one model has one spelling."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from deepcollapse.ufm import Problem

__all__ = ["ProblemRun", "nested", "run_document", "same_problem"]

_NAMES = tuple(field.name for field in fields(Problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRun:
    """What runs about one feature model share.

    Attributes:
        problem: the model, kept in the one spelling of all that are equal to it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    problem: Problem

    def __post_init__(self) -> None:
        object.__setattr__(self, "problem", same_problem(self.problem))

    def as_json(self) -> dict[str, Any]:
        """All settings in JSON types, defaults written out."""
        return run_document(self)

    def identity(self) -> dict[str, Any]:
        """The settings that decide the result: all of them."""
        return self.as_json()


def nested(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the model's entries gathered under "problem"."""
    problem = {name: document[name] for name in _NAMES if name in document}
    return {**{name: value for name, value in document.items() if name not in _NAMES}, "problem": problem}


def run_document(run: object) -> dict[str, Any]:
    """All settings of a run in JSON types, defaults written out, ``kind`` first and the model's entries unpacked."""
    document = _adapter(type(run)).dump_python(run, mode="json")
    rest = {name: value for name, value in document.items() if name not in ("kind", "problem")}
    return {"kind": document["kind"], **document.get("problem", {}), **rest}


def same_problem(problem: Problem) -> Problem:
    """The problem in the one spelling of all that are equal to it.

    >>> same_problem(Problem(classes=2, layers=1, samples=(3, 3), decay=(1, 1)))
    Problem(classes=2, layers=1, samples=3, width=2, decay=1.0, loss='ce', activation='linear')
    """
    decays = tuple(map(float, problem.factor_decays))
    return problem.replace(
        width=problem.d,
        samples=problem.class_samples[0] if problem.balanced else problem.class_samples,
        decay=decays[0] if len(set(decays)) == 1 else decays,
    )


@lru_cache
def _adapter(kind: type) -> Any:
    return TypeAdapter(kind)
