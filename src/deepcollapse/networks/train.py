"""Full-batch gradient descent on the regularised loss, into the terminal phase of training."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from deepcollapse.errors import ConvergenceError, InvalidInputError
from deepcollapse.networks.head import DeepHead
from deepcollapse.networks.images import LabelledImages
from deepcollapse.networks.network import Network, head_factors
from deepcollapse.networks.objective import UfmDecay, objective
from deepcollapse.networks.trajectory import Recorder, Spacing, Trajectory, recorded_steps

__all__ = ["Descent", "Training", "train"]

_DIVERGED = 1e30  # an objective from which training does not return; fourth powers of the weights still fit float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How to descend and when to stop.

    Attributes:
        rate: learning rate, constant: the decay acts at its speed.
        momentum: of the heavy ball, v <- momentum v + gradient.
        steps_max: the horizon, in parameter updates.
        tolerance: after training error 0, stop once the objective changed by less than this share over a window. Not a
            test of stationarity: a slower descent may go on. 0 goes to the horizon.
        window: updates in a window.
        looks: states remembered in the trajectory, at most (and the last one).
        spacing: of the looks: "log" or "regular".

    Raises:
        InvalidInputError: a number out of range.
    """

    rate: float = 0.05
    momentum: float = 0.9
    steps_max: int = 8000
    tolerance: float = 5e-4
    window: int = 100
    looks: int = 120
    spacing: Spacing = "log"

    def __post_init__(self) -> None:
        ranges = {
            "rate": (0 < self.rate < math.inf, "a finite number > 0"),
            "momentum": (0 <= self.momentum < 1, "0 <= momentum < 1"),
            "steps_max": (self.steps_max >= 1, "at least 1"),
            "tolerance": (0 <= self.tolerance < 1, "0 <= tolerance < 1"),
            "window": (self.window >= 2, "at least 2"),
            "looks": (self.looks >= 2, "at least 2"),
            "spacing": (self.spacing in ("log", "regular"), '"log" or "regular"'),
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                raise InvalidInputError(f"{name}: expected {expected}, but found {getattr(self, name)!r}; change it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a run did; the network itself was changed in place.

    Attributes:
        steps: parameter updates done.
        converged: whether training error 0 and a settled objective ended it, rather than the horizon.
        trajectory: looks at the run, the last one at its end.
        seconds: wall time of the loop, looks included.
        images_per_second: training images processed (forward and backward) per second.
    """

    steps: int
    converged: bool
    trajectory: Trajectory
    seconds: float
    images_per_second: float


def train(
    network: Network,
    data: LabelledImages,
    *,
    decay: UfmDecay,
    descent: Descent | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Train a network in place by full-batch gradient descent with momentum on ``objective``.

    Nothing is random here: the seed is that of the network's initial weights. Every step costs one forward and one
    backward pass over all images, on the network's device and in its dtype.

    Args:
        network: backbone and deep head.
        data: training images in class order.
        decay: on head weights and features.
        descent: step rule and stopping rule.
        progress: called once per window, and at the end, with the updates done and the horizon.

    Raises:
        InvalidInputError: the images are not in class order, a class is empty, or the head has other classes.
        ConvergenceError: the objective diverged.
    """
    descent = descent or Descent()
    _expect_fitting(data, network.head)
    recorder = Recorder(decay.problem(network.head, data.class_counts))
    begin = time.perf_counter()
    steps, converged = _descend(network, data, decay=decay, descent=descent, recorder=recorder, progress=progress)
    seconds = time.perf_counter() - begin
    return Training(
        steps=steps,
        converged=converged,
        trajectory=recorder.trajectory(),
        seconds=seconds,
        images_per_second=steps * len(data.labels) / seconds,
    )


def _descend(
    network: Network,
    data: LabelledImages,
    *,
    decay: UfmDecay,
    descent: Descent,
    recorder: Recorder,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, bool]:
    images = network.tensor(data.images)
    labels = torch.as_tensor(data.labels, device=images.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=descent.rate, momentum=descent.momentum)
    looks = recorded_steps(descent.steps_max, looks=descent.looks, spacing=descent.spacing)
    losses = torch.zeros(descent.window, device=images.device, dtype=images.dtype)
    step = 0
    while True:
        features = network.backbone(images)
        loss = objective(features, labels, network.head, decay=decay)
        losses[step % descent.window] = loss.detach()
        window_full = (step + 1) % descent.window == 0
        settled = window_full and _settled(losses, step, tolerance=descent.tolerance)
        converged = settled and _all_correct(features, labels, network.head)
        ended = converged or step == descent.steps_max
        if ended or step in looks:
            _expect_bounded(float(loss.detach()), step)
            recorder.look(step, head_factors(features, network.head))
        if progress and (ended or window_full):
            progress(step, descent.steps_max)
        if ended:
            return step, converged
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1


def _settled(losses: torch.Tensor, step: int, *, tolerance: float) -> bool:
    """Whether the objectives of the window differ by less than the tolerance, relative to the least."""
    low, high = losses.min().item(), losses.max().item()
    _expect_bounded(high - low, step)
    return high - low < tolerance * low


def _all_correct(features: torch.Tensor, labels: torch.Tensor, head: DeepHead) -> bool:
    with torch.no_grad():
        return bool((head(features).argmax(dim=1) == labels).all())


def _expect_fitting(data: LabelledImages, head: DeepHead) -> None:
    outputs = head.weights[-1].shape[0]
    if outputs != data.classes:
        raise InvalidInputError(f"head: expected {data.classes} logits, one per class, but found {outputs}; rebuild it")
    if not data.in_class_order:
        raise InvalidInputError(
            "labels: expected class order, but found a decrease; sort the images, or use balanced_split"
        )


def _expect_bounded(value: float, step: int) -> None:
    if not value < _DIVERGED:
        raise ConvergenceError(
            f"training: expected a bounded objective, but found {value} by step {step}; lower the learning rate or the "
            "head's initial scale"
        )
