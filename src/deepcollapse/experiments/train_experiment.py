"""A network with a deep head, trained on images and held against deep neural collapse: from specification to result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from deepcollapse.errors import TooLargeError
from deepcollapse.experiments.head_comparison import HeadComparison, compared, expect_bound
from deepcollapse.experiments.train_folder import SPEC, train_folder, write_json
from deepcollapse.experiments.train_looks import Looks, accuracy, accuracy_under_noise, measured_layers
from deepcollapse.experiments.train_spec import TrainSpec
from deepcollapse.networks import (
    Checkpoints,
    Network,
    Polished,
    Split,
    StandardDecay,
    Training,
    polish,
    train,
)
from deepcollapse.networks.execution import keep_freed_memory
from deepcollapse.networks.replacing import replace_file
from deepcollapse.networks.speed import BestPeak, flops_per_image
from deepcollapse.observe import Measurement
from deepcollapse.polishing.rest import Progress as Polishing

__all__ = ["TrainResult", "train_experiment"]

_COUNTED = 8  # images whose operations are counted
_RESULT_KEYS = ("below_bound", "kind", "sentence", "structure")
_VERDICT_KEYS = (*_RESULT_KEYS, "dnc_bound", "logits", "within_class", "imbalance", "weight_imbalance")
_VERDICT_KEYS += ("factor_singular_values",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The trained network's numbers.

    Attributes:
        spec: what was run.
        network: as it ended.
        comparison: its end against the feature model; the objective in it differs from ``objective`` under standard
            decay.
        objective: what was descended on, in evaluation mode, on all training images.
        measurement: all metrics at every layer of backbone and head, on the training images.
        training: steps, outcome, speed and trajectory.
        train_error: share of training images classified wrongly.
        test_accuracy: share of the held-out images classified correctly; None if there are none.
        matmul_share: floating-point operations of training per second (the mean over the run, looks left out), as a
            share of the best that matrix products reached on the same device before, during (at looks, at most once a
            minute) and after it. Other work on the machine lowers it.
        noise: accuracy under noise, see ``accuracy_under_noise``.
        looks: what was measured during training, by increasing steps.
        polished: the feature model's critical point that is nearest downhill; None if it was not asked for.
        unpolished: why there is none although it was asked for.
    """

    spec: TrainSpec
    network: Network
    comparison: HeadComparison
    objective: float
    measurement: Measurement
    training: Training
    train_error: float
    test_accuracy: float | None
    matmul_share: float
    noise: dict[str, Any]
    looks: list[dict]
    polished: Polished | None = None
    unpolished: str | None = None

    @property
    def reportable(self) -> bool:
        """Whether the end says anything about minima: not where the run stalled or fell to zero logits."""
        return self.training.outcome not in ("stalled", "collapsed")

    @property
    def undefined(self) -> str | None:
        """Why the run is not held against a bound; None if it is."""
        if self.reportable:
            return self.comparison.undefined
        return f"the run {self.training.outcome}: {self.training.explanation}"

    def as_json(self) -> dict[str, Any]:
        """Nested dictionaries, lists and numbers for ``json.dumps``; keys of the verdict are null without one."""
        return {
            "spec": self.spec.as_json(),
            "objective": self.objective,
            **self._verdict(),
            "bound": self.comparison.bound,
            "undefined": self.undefined,
            "nc1": self._classifier_nc1(),
            "layers": self.measurement.as_json()["layers"],
            "train_error": self.train_error,
            "test_accuracy": self.test_accuracy,
            "noise": self.noise,
            **_training(self.training),
            "matmul_share": self.matmul_share,
            "looks": self.looks,
            "polished": None if self.polished is None else self.polished.as_json(),
            "unpolished": self.unpolished,
        }

    def _verdict(self) -> dict[str, Any]:
        verdict, best, problem = self.comparison.verdict, self.comparison.best, self.comparison.problem
        found = {} if verdict is None else verdict.as_json()
        own = {name: found.get(name) for name in _VERDICT_KEYS}
        if not self.reportable:
            own |= dict.fromkeys(_RESULT_KEYS)
        own["best_structure"], own["best_structure_loss"] = (best.name, best.loss) if best else (None, None)
        own["rank"] = found.get("ranks")
        own["feature_model_objective"] = found.get("objective")
        own["singular_values"] = self.training.trajectory.singular_values[-1].tolist()
        return own | {"problem": None if problem is None else asdict(problem)}

    def _classifier_nc1(self) -> object:
        """Of what enters the last layer; None where the class means are equal."""
        found = [layer.metrics for layer in self.measurement.layers if layer.name.endswith(" (input)")]
        return found[-1].as_json()["nc1"] if found and found[-1] else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Trajectory, class-mean logits and their singular values at the end, and where they were polished to."""
        arrays = {f"trajectory/{name}": np.array(v) for name, v in self.training.trajectory.as_json().items()}
        verdicts = {"": self.comparison.verdict, "polished/": self.polished and self.polished.verdict}
        for name, verdict in verdicts.items():
            if verdict:
                arrays |= {f"{name}logits": verdict.logits, f"{name}singular_values": verdict.singular_values}
        return arrays

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``arrays.safetensors``; an older file stays until the new one is whole."""
        arrays = {
            f"weights/{layer}": weight.detach().double().cpu().numpy()
            for layer, weight in enumerate(self.network.head.weights, start=1)
        }
        for layer in self.measurement.layers:
            arrays[f"class_means/{layer.name}"] = layer.moments.means
        arrays |= self.arrays()
        content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        replace_file(folder / "arrays.safetensors", content)
        write_json(folder / "summary.json", self.as_json())


def train_experiment(
    spec: TrainSpec,
    *,
    folder: Path | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[int, int], None] | None = None,
    downloaded: Callable[[str, int], None] | None = None,
    polishing: Polishing | None = None,
) -> TrainResult:
    """Train a network and hold what it ends at against deep neural collapse.

    A run that ends at the horizon has ``training.converged`` false; what is reported then is where it stood.

    Args:
        spec: images, network, decay, training, analysis.
        folder: of this run alone, made if missing: ``spec.json``, ``looks.jsonl``, ``checkpoints/``, and at the end
            ``summary.json`` and ``arrays.safetensors``. A run that was stopped at any moment goes on from its last
            checkpoint, on a CPU to the same numbers. None keeps nothing.
        checkpoint_seconds: between checkpoints, at least.
        progress: of training: called with the images seen and those at the horizon.
        downloaded: of a download: called with the file's name and the bytes it has.
        polishing: of the polishing: called with its steps done and the relative gradient norm.

    Raises:
        InvalidInputError: images missing or damaged, sizes that do not fit, or a folder of another run, or one in which
            another process is training.
        WritingError: the disk refused; what was written before stays.
        TooLargeError: network and batches do not fit the memory.
        UndefinedError: at these decays deep neural collapse does not exist, so that there is no bound.
        ConvergenceError: training diverged.
    """
    keep_freed_memory()
    with train_folder(folder, spec.as_json()) if folder else nullcontext(), _within_memory():
        return _run(
            spec,
            folder,
            checkpoint_seconds=checkpoint_seconds,
            progress=progress,
            downloaded=downloaded,
            polishing=polishing,
        )


def _run(
    spec: TrainSpec,
    folder: Path | None,
    *,
    checkpoint_seconds: float,
    progress: Callable[[int, int], None] | None,
    downloaded: Callable[[str, int], None] | None,
    polishing: Polishing | None,
) -> TrainResult:
    data = spec.data.split(progress=downloaded)
    network = spec.network(data.train.images.shape[1:], classes=data.train.classes)
    if not isinstance(spec.decay, StandardDecay):
        expect_bound(spec.decay.problem(network.head, data.train.class_counts))
    if folder:
        write_json(folder / SPEC, spec.as_json())
    looks = Looks(data, spec, folder / "looks.jsonl" if folder else None)
    weight = network.head.weights[0]
    peak = BestPeak(dtype=torch.bfloat16 if spec.execution.autocast else weight.dtype, device=weight.device)
    peak.measure()
    images = spec.batches.size or len(data.train.labels)

    def look(step: int, seen: Network) -> None:
        looks(step, seen)
        peak.measure()

    training = train(
        network,
        data.train,
        decay=spec.decay,
        descent=spec.descent,
        batches=spec.batches,
        execution=spec.execution,
        checkpoints=Checkpoints(folder=folder / "checkpoints", seconds=checkpoint_seconds) if folder else None,
        look=look,
        progress=None if progress is None else lambda done, total: progress(done * images, total * images),
    )
    result = _result(spec, network, data, training=training, looks=looks, peak=peak.measure(at_once=True))
    if folder:
        result.save(folder)
    if spec.analysis.polish:  # may take long, and what is there by now is not to be lost
        result = _polished(result, progress=polishing)
        if folder:
            result.save(folder)
    return result


@contextmanager
def _within_memory() -> Iterator[None]:
    """Torch's errors of memory, which are no ``MemoryError``, as ours."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise TooLargeError(
            f"memory: expected network and batches to fit, but found: {str(error).splitlines()[0]}; lower head.width, "
            "or divide the batches with batches.piece"
        ) from error


def _result(
    spec: TrainSpec, network: Network, data: Split, *, training: Training, looks: Looks, peak: float
) -> TrainResult:
    steps = set(training.trajectory.steps.tolist())
    factors = network.factors(data.train.images)
    return TrainResult(
        spec=spec,
        network=network,
        comparison=compared(network, factors, decay=spec.decay, samples=data.train.class_counts),
        objective=float(training.trajectory.objective[-1]),
        measurement=measured_layers(network, data.train),
        training=training,
        train_error=float(training.trajectory.train_error[-1]),
        test_accuracy=accuracy(network, data.test),
        matmul_share=_flops_per_second(network, data, training) / peak,
        noise=accuracy_under_noise(network, data, analysis=spec.analysis, seed=spec.seed),
        looks=[looks.rows[step] for step in sorted(steps & looks.rows.keys())],
    )


def _polished(result: TrainResult, *, progress: Polishing | None) -> TrainResult:
    """With the critical point nearby; one that is too large to search for is no reason to lose the rest."""
    found = result.comparison
    if found.problem is None or not result.reportable:
        return result
    try:
        return replace(result, polished=polish(found.factors, found.problem, progress=progress))
    except TooLargeError as error:
        return replace(result, unpolished=str(error))


def _flops_per_second(network: Network, data: Split, training: Training) -> float:
    flops = flops_per_image(network, network.tensor(data.train.images[:_COUNTED]))
    return training.images_per_second * flops


def _training(training: Training) -> dict[str, Any]:
    names = ("converged", "outcome", "explanation", "steps", "epochs", "best_step", "seconds", "images_per_second")
    return {name: getattr(training, name) for name in names} | {"trajectory": training.trajectory.as_json()}
