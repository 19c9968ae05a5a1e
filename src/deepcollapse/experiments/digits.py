"""A deep linear head on handwritten digits, trained into the terminal phase and held against the DNC bound."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

import torch

from deepcollapse.networks import (
    Descent,
    HeadVerdict,
    LabelledImages,
    Network,
    Split,
    Training,
    UfmDecay,
    balanced_split,
    deep_head,
    digits,
    head_verdict,
    mlp,
    train,
)
from deepcollapse.networks.trajectory import train_error
from deepcollapse.observe import Measurement, measure
from deepcollapse.ufm import Activation, Problem, collapse

__all__ = ["DigitsResult", "DigitsSpec", "digits_experiment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsSpec:
    """The paper's experiment on real networks, at the size of scikit-learn's digits.

    The decays are the paper's in the only sense that matters to the bound: lambda_W, and lambda_H times the samples per
    class. So the bound is that of 5,000 images per class at lambda_H = 1e-6: 0.2421977 for L = 3.

    Attributes:
        per_class: training images of each class, the first ones; 174 at most. All others test.
        hidden: widths of the backbone's hidden layers.
        layers: L, weight matrices of the head.
        width: d, of the features and the head.
        activation: of the head.
        decay_weights: lambda_W.
        decay_features: lambda_H n; each feature vector is decayed by this over n.
        head_scale: the head starts with N(0, head_scale^2 / d) weights; the default is PyTorch's size.
        seed: of all initial weights.
        descent: step rule and stopping rule.
        device: a torch device.
        dtype: of images, weights and descent; what is reported is read off in float64.
    """

    per_class: int = 100
    hidden: tuple[int, ...] = (128,)
    layers: int = 3
    width: int = 64
    activation: Activation = "linear"
    decay_weights: float = 5e-3
    decay_features: float = 5e-3
    head_scale: float = 3.0**-0.5
    seed: int = 0
    descent: Descent = field(default_factory=Descent)
    device: str = "cpu"
    dtype: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsResult:
    """The trained network's numbers.

    Attributes:
        spec: what was run.
        problem: the feature model at the network's sizes and decays.
        verdict: objective against bound and structures; rank and logits.
        measurement: all metrics at every layer of backbone and head, on the training images.
        training: steps, convergence, speed and trajectory.
        train_error: share of training images classified wrongly.
        test_accuracy: share of the held-out images classified correctly.
    """

    spec: DigitsSpec
    problem: Problem
    verdict: HeadVerdict
    measurement: Measurement
    training: Training
    train_error: float
    test_accuracy: float

    def as_json(self) -> dict[str, object]:
        """Nested dictionaries, lists and numbers, ready for ``json.dumps``."""
        verdict, training = self.verdict, self.training
        return {
            "spec": asdict(self.spec),
            "problem": asdict(self.problem),
            "objective": verdict.objective,
            "dnc_bound": verdict.dnc_bound,
            "below_bound": verdict.below_bound,
            "best_structure": verdict.best_structure,
            "best_structure_loss": verdict.best_structure_loss,
            "rank": asdict(verdict.ranks),
            "singular_values": verdict.singular_values.tolist(),
            "logits": verdict.logits.tolist(),
            "structure": verdict.structure,
            "within_class": verdict.within_class,
            "imbalance": verdict.imbalance,
            "layers": self.measurement.as_json()["layers"],
            "train_error": self.train_error,
            "test_accuracy": self.test_accuracy,
            "converged": training.converged,
            "steps": training.steps,
            "seconds": training.seconds,
            "images_per_second": training.images_per_second,
            "trajectory": training.trajectory.as_json(),
        }


def digits_experiment(
    spec: DigitsSpec | None = None, *, progress: Callable[[int, int], None] | None = None
) -> DigitsResult:
    """Train an MLP backbone with a deep head on digits and compare it with deep neural collapse.

    The default takes about 4,500 updates, a quarter of a minute on one free core, and ends below the bound with four
    singular values, at or near the structure T5. A run that ends at the horizon has ``converged`` false.

    Args:
        spec: sizes, decays, seed, stopping rule.
        progress: called once per window, and at the end, with the updates done and the horizon.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        InvalidInputError: a size or decay out of range.
        UndefinedError: at these decays deep neural collapse does not exist, so that there is no bound.
        ConvergenceError: training diverged.

    Source: arXiv 2410.23169, experiments on MNIST and CIFAR-10, here on a smaller set.
    """
    spec = spec or DigitsSpec()
    data = balanced_split(digits(), spec.per_class)
    network = _network(spec, pixels=data.train.images.shape[1])
    decay = UfmDecay(spec.decay_weights, spec.decay_features / spec.per_class)
    problem = decay.problem(network.head, spec.per_class)
    collapse(problem.replace(activation="linear"))  # no bound, no run
    training = train(network, data.train, decay=decay, descent=spec.descent, progress=progress)
    return _measured(network, data, spec=spec, problem=problem, training=training)


def _network(spec: DigitsSpec, *, pixels: int) -> Network:
    generator = torch.Generator().manual_seed(spec.seed)
    backbone = mlp((pixels, *spec.hidden, spec.width), generator=generator)
    head = deep_head(
        10,
        layers=spec.layers,
        width=spec.width,
        generator=generator,
        scale=spec.head_scale,
        activation=spec.activation,
    )
    return Network(backbone, head).to(device=spec.device, dtype=getattr(torch, spec.dtype))


def _measured(network: Network, data: Split, *, spec: DigitsSpec, problem: Problem, training: Training) -> DigitsResult:
    factors = network.factors(data.train.images)
    return DigitsResult(
        spec=spec,
        problem=problem,
        verdict=head_verdict(factors, problem),
        measurement=measure(
            network.module(), [(network.tensor(data.train.images), torch.from_numpy(data.train.labels))]
        ),
        training=training,
        train_error=train_error(factors, problem),
        test_accuracy=network.accuracy(data.test.images, data.test.labels),
    )


def _batch(network: Network, data: LabelledImages) -> tuple[torch.Tensor, torch.Tensor]:
    return network.tensor(data.images), torch.from_numpy(data.labels)
