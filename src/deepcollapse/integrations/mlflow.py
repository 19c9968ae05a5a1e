"""Measurements in MLflow; extra ``mlflow``."""

import re
from collections import Counter
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.integrations.logged import logged_scalars
from deepcollapse.observe.measurement import Measurement
from deepcollapse.optional import optional_module

__all__ = ["log"]

_BATCH = 1000  # metrics that MLflow takes at a time


def log(measurement: Measurement, run: Any = None, *, step: int, prefix: str = "") -> None:
    """Log every scalar; MLflow has no histograms.

    Names are "prefix/layer/metric". MLflow knows fewer characters than layers do: brackets and empty parts of a path
    are left out, any other becomes "_", so that "fc (input)/nc1/papyan" is "fc input/nc1/papyan".

    Args:
        measurement: of a network.
        run: what ``mlflow.start_run`` returned, or the id of a run; None for the run that is active.
        step: of the training.
        prefix: of the names.

    Raises:
        MissingExtraError: MLflow is not installed.
        InvalidInputError: no run is active, or two layers get one name.
    """
    mlflow = optional_module("mlflow", extra="mlflow")
    run = mlflow.active_run() if run is None else run
    if run is None:
        raise InvalidInputError(
            "run: expected an active run, but found none; call mlflow.start_run first, or pass a run"
        )
    metrics = _renamed(logged_scalars(measurement, prefix))
    names = list(metrics)
    for start in range(0, len(names), _BATCH):
        part = {name: metrics[name] for name in names[start : start + _BATCH]}
        mlflow.log_metrics(part, step=step, run_id=run if isinstance(run, str) else run.info.run_id, synchronous=True)


def _renamed(scalars: dict[str, float]) -> dict[str, float]:
    names = [_permitted(name) for name in scalars]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidInputError(
            f"layers: expected names that differ in letters, digits and any of ' -._/', but found {len(twice)} metrics "
            f"with one name, such as {twice[0]!r}; rename a layer, or measure fewer"
        )
    return dict(zip(names, scalars.values(), strict=True))


def _permitted(name: str) -> str:
    parts = (re.sub(r"[^\w.\- ]", "_", re.sub(r"[()\[\]]", "", part)) for part in name.split("/"))
    return "/".join("_" * len(part) if part in {".", ".."} else part for part in parts if part)
