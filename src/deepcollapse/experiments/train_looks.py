"""What is measured of a network while it trains, one line per look, kept in a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.head_comparison import compared
from deepcollapse.experiments.train_spec import Analysis, TrainSpec
from deepcollapse.networks import LabelledImages, Network, Split
from deepcollapse.networks.network import EVALUATION_PIECE
from deepcollapse.networks.replacing import replace_file
from deepcollapse.observe import Measurement, measure

__all__ = ["Looks", "accuracy_under_noise", "measured_layers"]

_NOISY_IMAGES = 2000
_SHOWN = ("nc1/quotient", "nc1/papyan", "nc1/zhu", "cdnv", "nc2/equinorm_means", "nc2/equiangular_means")
_SHOWN += ("nc2/etf_error_means", "nc3/papyan", "nc4/agreement", "spectrum/rank", "spectrum/effective_rank")


@dataclass(slots=True)
class Looks:
    """Measures a network at the steps where training looks at it.

    Attributes:
        data: training and held-out images.
        spec: what to measure, the decay to hold the head against, and the seed of the noise.
        file: one JSON document per look, replaced as a whole after each; None keeps the looks in memory only.
        rows: by step. A run that was killed goes on from its last checkpoint and looks at some steps again; the file's
            rows from there on are measured anew.
    """

    data: Split
    spec: TrainSpec
    file: Path | None = None
    rows: dict[int, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file and self.file.exists():
            self.rows.update(_read(self.file))

    def __call__(self, step: int, network: Network) -> None:
        """Measure, and keep what was found."""
        train, spec = self.data.train, self.spec
        factors = network.factors(train.images)
        row: dict = {"step": step, "test_accuracy": accuracy(network, self.data.test)}
        row |= compared(network, factors, decay=spec.decay, samples=train.class_counts).brief()
        row["noise"] = accuracy_under_noise(network, self.data, analysis=spec.analysis, seed=spec.seed)
        row["weight_singular_values"] = [np.linalg.svd(weight, compute_uv=False).tolist() for weight in factors[1:]]
        if spec.analysis.layers:
            row["layers"] = _numbers(measured_layers(network, train))
        self.rows[step] = row
        if self.file:
            text = "".join(json.dumps(self.rows[at]) + "\n" for at in sorted(self.rows))
            replace_file(self.file, text.encode())


def measured_layers(network: Network, data: LabelledImages) -> Measurement:
    """All metrics at every layer of backbone and head, on these images."""
    return measure(network.module(), _batches(network, data), classes=data.classes)


def accuracy(network: Network, data: LabelledImages) -> float | None:
    """Share of images classified as their class; None where there are none."""
    return network.accuracy(data.images, data.labels) if len(data.labels) else None


def accuracy_under_noise(network: Network, data: Split, *, analysis: Analysis, seed: int) -> dict:
    """Accuracy by standard deviation of Gaussian noise added to at most 2,000 images, evenly spread over the set.

    Key "images" says whose they are: "test", or "train" where nothing is held out.
    """
    name, images = ("test", data.test) if len(data.test.labels) else ("train", data.train)
    chosen = images.take(np.unique(np.linspace(0, len(images.labels) - 1, _NOISY_IMAGES).round().astype(int)))
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(chosen.images.shape, generator=generator).numpy()
    found = {
        f"{size:g}": network.accuracy((chosen.images + size * noise).astype(np.float32), chosen.labels)
        for size in analysis.noise
    }
    return {"images": name, "accuracy": found}


def _batches(network: Network, data: LabelledImages) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    labels = torch.from_numpy(data.labels)
    for start in range(0, len(labels), EVALUATION_PIECE):
        rows = slice(start, start + EVALUATION_PIECE)
        yield network.tensor(data.images[rows]), labels[rows]


def _numbers(found: Measurement) -> dict[str, dict[str, float]]:
    """The metrics that are followed through training, by layer."""
    numbers = {}
    for layer in found.layers:
        scalars = layer.metrics.scalars() if layer.metrics else {}
        numbers[layer.name] = {name: scalars[name] for name in _SHOWN if name in scalars}
    return numbers


def _read(file: Path) -> dict[int, dict]:
    try:
        rows = [json_object(line, {"step": int}) for line in file.read_bytes().splitlines()]
        return {row["step"]: row for row in rows}
    except InvalidInputError as error:
        raise InvalidInputError(
            f"looks: expected one JSON document per line, but found {file} damaged ({error}); delete the run's folder"
        ) from None
