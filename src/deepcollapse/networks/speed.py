"""How fast training is, and how fast the machine could be."""

import math
import time
from dataclasses import dataclass
from statistics import median

import torch
from jaxtyping import Float
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from deepcollapse.networks.network import Network, in_mode

__all__ = ["BestPeak", "flops_per_image", "matmul_peak"]

_ROUNDS = 3


def flops_per_image(network: Network, images: Float[torch.Tensor, "p *shape"]) -> int:
    """Floating-point operations of one image's forward and backward pass: matrix products and convolutions only.

    A multiplication and an addition count as two. Independent of p up to operations that do not grow with it. Runs one
    pass in evaluation mode; gradients are as before. Share of the machine's peak that training reaches:
    images per second * ``flops_per_image`` / ``matmul_peak``.

    Args:
        network: backbone and head.
        images: a few, on the network's device and in its dtype.
    """
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    with in_mode(network, training=False), FlopCounterMode(display=False) as counter:
        loss = cross_entropy(network.head(network.backbone(images)), labels)
        torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return counter.get_total_flops() // len(images)


def matmul_peak(
    *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu", size: int = 1024, rounds: int = 7
) -> float:
    """Floating-point operations per second of a square matrix product, the median over rounds, with torch's threads.

    Other work on the machine lowers it: measure when training does not run, and compare within minutes. Costs
    2 rounds size^3 operations, below a second on most machines.

    Args:
        dtype: of the matrices.
        device: a torch device.
        size: rows and columns.
        rounds: products timed, behind one that warms up.
    """
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator).to(device, dtype) for _ in range(2))
    out = torch.empty_like(left)
    seconds = []
    for _ in range(rounds + 1):
        _wait(left.device)
        begin = time.perf_counter()
        torch.mm(left, right, out=out)
        _wait(left.device)
        seconds.append(time.perf_counter() - begin)
    return 2.0 * size**3 / median(seconds[1:])


@dataclass(slots=True, kw_only=True)
class BestPeak:
    """The best ``matmul_peak`` of several moments: other work on the machine lowers each, and a single one says little.

    Attributes:
        dtype: of the matrices.
        device: a torch device.
        seconds: between two moments, at least.
        best: so far, 0 before the first.
    """

    dtype: torch.dtype = torch.float32
    device: str | torch.device = "cpu"
    seconds: float = 60.0
    best: float = 0.0
    _last: float = -math.inf

    def measure(self, *, at_once: bool = False) -> float:
        """The best, this moment included if the last one is long enough ago, or ``at_once``."""
        if at_once or time.monotonic() >= self._last + self.seconds:
            self.best = max(self.best, matmul_peak(dtype=self.dtype, device=self.device, rounds=_ROUNDS))
            self._last = time.monotonic()
        return self.best


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()
