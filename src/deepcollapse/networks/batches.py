"""Which images an update sees: all of them, or random batches; in pieces that stay in the cache."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.images import LabelledImages
from deepcollapse.networks.network import Network
from deepcollapse.networks.pieces import pieces

__all__ = ["BatchStream", "Batches", "TrainingSet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """How the training images are divided over updates and, within an update, over passes through the network.

    An epoch is a random permutation cut into ceil(N / size) batches whose sizes differ by one at most; every image is
    seen once. A piece takes every k-th row of its batch, so that in class order all pieces have the classes' shares.

    Without BatchNorm the gradient of a batch does not depend on the pieces, up to rounding. With it, each piece is
    normalised by its own statistics in training mode: pieces are then part of what is trained, and only
    ``size=None, piece=None`` is full-batch training in every sense.

    Attributes:
        size: images per update, at most; None for all of them (full batch, no randomness).
        piece: images per pass, at most; None for the whole batch. 64 to 256 keep a ResNet-20's activations in cache.
        seed: of the permutations, and of whatever the network itself draws in training (dropout).

    Raises:
        InvalidInputError: a size below 1, or a seed beyond 63 bits.
    """

    size: int | None = None
    piece: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("piece", self.piece)):
            if value is not None and value < 1:
                raise InvalidInputError(
                    f"{name}: expected at least 1, but found {value}; None takes all images at once"
                )

        if not 0 <= self.seed < 2**63:
            raise InvalidInputError(f"seed: expected 0 to 2^63 - 1, but found {self.seed}; take a smaller one")

    def per_epoch(self, images: int) -> int:
        """Updates in which so many images are seen once."""
        return 1 if self.size is None else -(-images // self.size)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Images and labels on the network's device, converted once.

    Attributes:
        images: in the network's dtype, in the memory format that training uses.
        labels: their classes.
    """

    images: Float[torch.Tensor, "N *shape"]
    labels: Int[torch.Tensor, " N"]

    @classmethod
    def of(cls, data: LabelledImages, network: Network, *, channels_last: bool = False) -> "TrainingSet":
        """Convert and move the images."""
        images = network.tensor(data.images)
        if channels_last and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        return cls(images, torch.as_tensor(data.labels, device=images.device))

    def rows(self, chosen: Int[torch.Tensor, " B"] | None) -> "TrainingSet":
        """A copy of some rows; the set itself, not copied, for None."""
        if chosen is None:
            return self
        images = self.images.index_select(0, chosen)
        return TrainingSet(images, self.labels.index_select(0, chosen))

    def pieces(self, most: int | None) -> Iterator["TrainingSet"]:
        """Views of at most so many images each."""
        for images, labels in zip(pieces(self.images, most), pieces(self.labels, most), strict=True):
            yield TrainingSet(images, labels)


@dataclass(slots=True)
class BatchStream:
    """The batches of a run, one after the other; a fresh permutation for every epoch.

    Attributes:
        batches: their size and seed.
        images: N.
        generator: draws the permutations and nothing else.
    """

    batches: Batches
    images: int
    generator: torch.Generator = field(init=False)
    _permutation: torch.Tensor | None = None
    _epoch_state: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.batches.seed)
        self._epoch_state = self.generator.get_state()

    def rows(self, step: int) -> Int[torch.Tensor, " B"] | None:
        """Rows of the batch after so many updates; steps must be asked for in order. None for all rows."""
        if self.batches.size is None:
            return None
        count = self.batches.per_epoch(self.images)
        if step % count == 0 or self._permutation is None:
            self._epoch_state = self.generator.get_state()
            self._permutation = torch.randperm(self.images, generator=self.generator)
        return torch.tensor_split(self._permutation, count)[step % count]

    def state(self, step: int) -> torch.Tensor:
        """The generator's state from which a stream continues after so many updates."""
        begun = self._permutation is not None and step % self.batches.per_epoch(self.images) > 0
        return self._epoch_state if begun else self.generator.get_state()

    def restore(self, state: torch.Tensor) -> None:
        """Continue from what ``state`` returned."""
        self.generator.set_state(state)
        self._permutation = None
