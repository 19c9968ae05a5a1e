"""How the passes of training are executed: memory format and mixed precision, and the randomness inside them."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.network import Network

__all__ = ["Execution", "full_float32", "keep_freed_memory", "own_randomness"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt; the second is 32 MiB at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Options that change speed and rounding, not what is computed; device and dtype are the network's.

    (Dropout draws other masks in another memory format.)

    Attributes:
        channels_last: keep images and convolutions in this memory format, the faster one on most CPUs and GPUs.
        autocast: "bfloat16" runs the backbone's passes in mixed precision; the head, the loss and all that is reported
            stay in the network's dtype, because small singular values drown in the rounding of short formats. float16
            is not offered: its gradients underflow without a loss scale.

    Raises:
        InvalidInputError: another precision.
    """

    channels_last: bool = False
    autocast: Literal["bfloat16"] | None = None

    def __post_init__(self) -> None:
        if self.autocast not in (None, "bfloat16"):
            raise InvalidInputError(
                f'autocast: expected "bfloat16" or None, but found {self.autocast!r}; gradients in float16 underflow'
            )

    def prepare(self, network: Network) -> None:
        """Put the backbone's weights in the memory format, in place."""
        if self.channels_last:
            network.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, network: Network, images: Float[torch.Tensor, "p *shape"]) -> Float[torch.Tensor, "p d"]:
        """Of a piece, in the head's dtype.

        Raises:
            InvalidInputError: the backbone does not take so few images: a BatchNorm with a single value per channel.
        """
        mixed = torch.autocast(images.device.type, dtype=torch.bfloat16) if self.autocast else nullcontext()
        try:
            with mixed:
                features = network.backbone(images)
        except ValueError as error:
            raise InvalidInputError(
                f"backbone: expected it to train on pieces of {len(images)} images, but found: {error}; raise "
                "batches.size or batches.piece"
            ) from error
        return features.to(network.head.weights[0].dtype)


@contextmanager
def own_randomness(device: torch.device, *, seed: int | None = None) -> Iterator[None]:
    """Torch's random numbers, on CPU and device, are afterwards what they were before; inside they follow the seed.

    Args:
        device: where the network is.
        seed: of the numbers inside; None goes on with those outside.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
        yield


@contextmanager
def full_float32() -> Iterator[None]:
    """Products and convolutions of float32 are in float32 on CUDA, too, where PyTorch would round to TF32's 10 bits."""
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = False
        yield
    finally:
        for place, allowed in zip(places, before, strict=True):
            place.allow_tf32 = allowed


def keep_freed_memory() -> bool:
    """Have the C library keep freed memory for the next tensors of this process, instead of giving it back each time.

    The activations of a pass are as large as the system's own limits for that, so that every pass would ask for tens of
    thousands of fresh pages. What is computed does not change; the process stays as large as it once was.

    Returns:
        Whether it was set: with glibc on Linux, unless the environment sets options of its own.
    """
    named = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")
    if sys.platform != "linux" or any(name in os.environ for name in named):
        return False
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    return option is not None and bool(option(_MMAP_THRESHOLD, 2**25) and option(_TRIM_THRESHOLD, 2**31 - 1))
