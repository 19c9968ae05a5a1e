"""What one run of a sweep can be, read from a document and checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import Field, TypeAdapter, ValidationError

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.landscape_run import LandscapeRun
from deepcollapse.experiments.mistakes import mistakes
from deepcollapse.experiments.run_problem import nested
from deepcollapse.experiments.run_result import RunResult
from deepcollapse.experiments.simulate_run import SimulateRun
from deepcollapse.experiments.theory_run import TheoryRun
from deepcollapse.experiments.train_run import TrainRun
from deepcollapse.experiments.train_spec import train_spec

__all__ = ["RUN_KINDS", "RunSpec", "run_spec"]

RUN_KINDS = ("theory", "landscape", "simulate", "train")


@runtime_checkable
class RunSpec(Protocol):
    """The settings of one run."""

    @property
    def kind(self) -> str:
        """One of ``RUN_KINDS``."""
        ...

    def as_json(self) -> dict[str, Any]:
        """All settings in JSON types; ``run_spec`` reads them back."""
        ...

    def identity(self) -> dict[str, Any]:
        """The settings that decide the result; equal for runs that must give equal rows."""
        ...

    def result(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> RunResult:
        """Do the run, or go on with what the folder holds of it.

        Args:
            folder: of this run alone; it exists.
            progress: called with what is done and what there is.
        """
        ...


_ADAPTER: TypeAdapter[TheoryRun | LandscapeRun | SimulateRun] = TypeAdapter(
    Annotated[TheoryRun | LandscapeRun | SimulateRun, Field(discriminator="kind")]
)


def run_spec(document: Mapping[str, Any]) -> RunSpec:
    """Read and check the settings of a run.

    Args:
        document: with "kind". Theory, landscape and simulate take the model's sizes and decays beside their own
            entries; train takes ``spec``, a shipped specification's name, a TOML file or the whole document, and
            entries to replace by dotted keys ("head.width").

    Raises:
        InvalidInputError: all mistakes at once, each with its key.

    >>> run_spec({"kind": "theory", "classes": 6, "layers": 2, "decay": 0.001}).as_json()["width"]
    6
    """
    kind = document.get("kind")
    if kind not in RUN_KINDS:
        raise InvalidInputError(f"kind: expected one of {', '.join(RUN_KINDS)}, but found {kind!r}; choose one")
    if kind == "train":
        return _train(document)
    try:
        return _ADAPTER.validate_python(nested(document))
    except ValidationError as error:
        raise InvalidInputError("; ".join(mistakes(error, inside=(kind, "problem")))) from None


def _train(document: Mapping[str, Any]) -> TrainRun:
    rest = {key: value for key, value in document.items() if key not in ("kind", "spec")}
    if "spec" not in document:
        raise InvalidInputError("spec: expected a specification's name or document, but found none; add it")
    return TrainRun(spec=train_spec(document["spec"], rest))
