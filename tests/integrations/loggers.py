"""Loggers, real and faked, behind one face: what was written is read back as steps, values and histograms."""

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

Scalars = dict[str, tuple[int, float]]
"""Step and value by name."""
Histograms = dict[str, tuple[int, int, float, float]]
"""Step, number of values, smallest and largest one by name."""


class FakeTensorboard:
    target: Any

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.target = self
        self.scalars: Scalars = {}
        self.histograms: Histograms = {}

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.scalars[tag] = (global_step, float(np.float32(scalar_value)))

    def add_histogram(self, tag: str, values: np.ndarray, global_step: int) -> None:
        self.histograms[tag] = (global_step, values.size, values.min(), values.max())

    def read(self) -> tuple[Scalars, Histograms]:
        return self.scalars, self.histograms


class RealTensorboard:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        pytest.importorskip("tensorboard")
        self.folder = folder
        self.target = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(folder)

    def read(self) -> tuple[Scalars, Histograms]:
        self.target.close()
        return tensorboard_log(self.folder)


def tensorboard_log(folder: Path) -> tuple[Scalars, Histograms]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()
    scalars = {tag: (x.step, x.value) for tag in events.Tags()["scalars"] for x in events.Scalars(tag)}
    histograms = {}
    for tag in events.Tags()["histograms"]:
        (event,) = events.Histograms(tag)
        value = event.histogram_value
        histograms[tag] = (event.step, int(value.num), value.min, value.max)
    return scalars, histograms


@dataclass
class FakeWandb:
    """A run that, as the real one, is at the step of the last log."""

    monkeypatch: pytest.MonkeyPatch
    folder: Path
    step: int = 0
    rows: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.target = self
        module = ModuleType("wandb")
        module.run, module.Histogram = self, np.histogram
        self.monkeypatch.setitem(sys.modules, "wandb", module)

    def log(self, data: dict[str, Any], step: int) -> None:
        self.step = step
        self.rows |= {name: (step, value) for name, value in data.items()}

    def read(self) -> tuple[Scalars, Histograms]:
        scalars = {name: pair for name, pair in self.rows.items() if isinstance(pair[1], float)}
        others = {name: pair for name, pair in self.rows.items() if name not in scalars}
        return scalars, {n: (step, int(h.sum()), bins[0], bins[-1]) for n, (step, (h, bins)) in others.items()}


class RealWandb:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.wandb = wandb = pytest.importorskip("wandb")
        for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR"):
            monkeypatch.setenv(f"WANDB_{name}", str(folder))
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True)
        self.folder = folder
        self.target = wandb.init(mode="offline", project="test", dir=folder, settings=quiet)

    def read(self) -> tuple[Scalars, Histograms]:
        self.target.finish()
        self.wandb.teardown()  # until then another process may be writing
        scalars, parts = {}, {}
        for step, name, value in self._history():
            whole, _, part = name.rpartition("/")
            if part in {"_type", "values", "bins"}:
                parts.setdefault(whole, {"step": step})[part] = value
            elif not name.startswith("_"):
                scalars[name] = (step, value)
        return scalars, {
            name: (found["step"], sum(found["values"]), found["bins"][0], found["bins"][-1])
            for name, found in parts.items()
        }

    def _history(self) -> Iterator[tuple[int, str, Any]]:
        from wandb.proto import wandb_internal_pb2

        (file,) = self.folder.rglob("*.wandb")
        for data in log_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.history.item:
                yield record.history.step.num, item.key or "/".join(item.nested_key), json.loads(item.value_json)


def log_records(log: bytes) -> Iterator[bytes]:
    """Records of an offline run: LevelDB's log format (checksum, length, kind; blocks of 32 KiB) after 7 bytes."""
    at, record = 7, b""
    while at + 7 <= len(log):
        if (left := -at % 32768) and left < 7:
            at += left
        length, kind = struct.unpack_from("<HB", log, at + 4)
        record += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in {1, 4}:  # whole, last part
            yield record
            record = b""


@dataclass
class FakeMlflow:
    """Refuses what the real one refuses: other characters in names, long batches."""

    monkeypatch: pytest.MonkeyPatch
    folder: Path
    scalars: Scalars = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.target = SimpleNamespace(info=SimpleNamespace(run_id="7"))
        module = ModuleType("mlflow")
        module.log_metrics, module.active_run = self.log_metrics, lambda: self.target
        self.monkeypatch.setitem(sys.modules, "mlflow", module)

    def log_metrics(self, metrics: dict[str, float], *, step: int, run_id: str, synchronous: bool) -> None:
        assert (run_id, synchronous) == ("7", True)
        assert len(metrics) <= 1000
        self.batches.append(len(metrics))
        for name, value in metrics.items():
            assert all(part.strip("./") and part.replace(" ", "_") for part in name.split("/"))
            assert all(c.isalnum() or c in "_-. /" for c in name)
            self.scalars[name] = (step, value)

    def read(self) -> tuple[Scalars, Histograms]:
        return self.scalars, {}


class RealMlflow:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.mlflow = pytest.importorskip("mlflow")
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no data base
        self.mlflow.set_tracking_uri(folder.as_uri())
        experiment = self.mlflow.create_experiment("test")
        self.target = self.mlflow.start_run(experiment_id=experiment)

    def read(self) -> tuple[Scalars, Histograms]:
        self.mlflow.end_run()
        client = self.mlflow.MlflowClient()
        run = self.target.info.run_id
        found = {}
        for name in client.get_run(run).data.metrics:
            (point,) = client.get_metric_history(run, name)
            found[name] = (point.step, point.value)
        return found, {}
