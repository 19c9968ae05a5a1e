"""A run of a sweep that trains a network with a deep head and holds it against collapse."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import ConfigDict

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.run_result import NUMBERS, PROBLEM_COLUMNS, RunResult, json_numbers, row_table
from deepcollapse.experiments.train_experiment import TrainResult, train_experiment
from deepcollapse.experiments.train_spec import TrainSpec, decisive

__all__ = ["TrainRun"]

_COLUMNS = {
    **PROBLEM_COLUMNS,
    "source": pa.string(),
    "per_class": pa.int64(),
    "backbone": pa.string(),
    "gain": pa.float64(),
    "decay_kind": pa.string(),
    "decay_weights": pa.float64(),
    "decay_features": pa.float64(),
    "rate": pa.float64(),
    "momentum": pa.float64(),
    "batch": pa.int64(),
    "seed": pa.int64(),
    "dtype": pa.string(),
    "device": pa.string(),
    "loss": pa.float64(),
    "dnc_loss": pa.float64(),
    "bound": pa.string(),
    "below_bound": pa.bool_(),
    "best_structure": pa.string(),
    "best_structure_loss": pa.float64(),
    "structure": pa.string(),
    "rank": pa.int64(),
    "rank_paper": pa.int64(),
    "singular_values": NUMBERS,
    "nc1": pa.float64(),
    "train_error": pa.float64(),
    "test_accuracy": pa.float64(),
    "converged": pa.bool_(),
    "outcome": pa.string(),
    "steps": pa.int64(),
    "epochs": pa.float64(),
    "feature_model_objective": pa.float64(),
    "polished_structure": pa.string(),
    "polished_loss": pa.float64(),
}
_AT_TIMES = ("seconds", "images_per_second", "matmul_share")
_SAME = ("dnc_bound", "bound", "below_bound", "best_structure", "best_structure_loss", "structure", "singular_values")
_SAME += ("train_error", "test_accuracy", "converged", "outcome", "steps", "epochs", "feature_model_objective")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRun:
    """A network trained by a specification.

    Attributes:
        spec: the whole specification.
        kind: its name in a plan.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    spec: TrainSpec
    kind: Literal["train"] = "train"

    def as_json(self) -> dict[str, Any]:
        """The whole specification in JSON types."""
        return {"kind": self.kind, "spec": self.spec.as_json()}

    def identity(self) -> dict[str, Any]:
        """Without what changes no number: the name, and where images are kept. A file of images counts by its bytes.

        Raises:
            InvalidInputError: the file of images cannot be read.
        """
        document = decisive(self.spec.as_json())
        if self.spec.data.source == "file":
            document["data"]["sha256"] = _sha256(self.spec.data.path)
        return {"kind": self.kind, "spec": document}

    def result(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> RunResult:
        """One row; the document is the run's summary. Checkpoints in the folder are gone on from."""
        found = train_experiment(self.spec, folder=folder / "training", progress=progress)
        summary = json_numbers(found.as_json())
        return RunResult(
            rows=row_table(_settings(found, summary), [_row(summary)], _COLUMNS),
            arrays=found.arrays(),
            document={name: value for name, value in summary.items() if name not in _AT_TIMES},
            notes={name: summary[name] for name in _AT_TIMES},
        )


def _settings(found: TrainResult, summary: Mapping[str, Any]) -> dict[str, Any]:
    spec, model, problem = found.spec, found.comparison.problem, summary["problem"] or {}
    decay: Mapping[str, Any] = spec.as_json()["decay"]
    return {
        "kind": "train",
        "classes": found.network.head.weights[-1].shape[0],
        "layers": spec.head.layers,
        "samples": problem.get("samples") if isinstance(problem.get("samples"), int) else None,
        "width": spec.head.width,
        "decay": None if model is None else model.mean_decay,
        "decays": None if model is None else list(model.factor_decays),
        "loss_function": "ce",
        "activation": spec.head.activation,
        "source": spec.data.source,
        "per_class": spec.data.per_class,
        "backbone": spec.backbone.kind,
        "gain": spec.head.gain,
        "decay_kind": decay["kind"],
        "decay_weights": decay["weights"],
        "decay_features": decay.get("features"),
        "rate": spec.descent.rate,
        "momentum": spec.descent.momentum,
        "batch": spec.batches.size,
        "seed": spec.seed,
        "dtype": spec.dtype,
        "device": spec.device,
    }


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    rank, polished = summary["rank"] or {}, summary["polished"] or {}
    row = {name: summary[name] for name in _SAME}
    row |= {"loss": summary["objective"], "dnc_loss": row.pop("dnc_bound")}
    return row | {
        "rank": rank.get("scale_free"),
        "rank_paper": rank.get("paper"),
        "nc1": (summary["nc1"] or {}).get("quotient"),
        "polished_structure": polished.get("structure"),
        "polished_loss": polished.get("loss"),
    }


@lru_cache
def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInputError(
            f"data.path: expected a file of images, but found {path} ({error.strerror}); name another"
        ) from None
