"""Moments of the features of several modules, from one pass of a network after the other."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.batches import expect_finite
from deepcollapse.observe.features import FeatureReader
from deepcollapse.observe.processes import Processes
from deepcollapse.stats import ClassMoments
from deepcollapse.stats.stream import MomentStream

__all__ = ["LayerStreams"]

_WIDEST_SCATTER = 2048


@dataclass(frozen=True, slots=True)
class LayerStreams:
    """Features wait in ``pending`` while the network runs; ``add`` takes them into the moments of their layer.

    Attributes:
        read: from a module's output to features.
        scatter: whether scatter matrices are wanted; None for layers no wider than 2048.
        pending: name and features of each call since the last ``add``.
        streams: by name and number of the call in a pass, in the order in which outputs came.
        widths: of the features of each stream.
    """

    read: FeatureReader
    scatter: bool | None
    pending: list[tuple[str, torch.Tensor]] = field(default_factory=list)
    streams: dict[tuple[str, int], MomentStream] = field(default_factory=dict)
    widths: dict[tuple[str, int], int] = field(default_factory=dict)

    def attach(self, name: str, module: nn.Module) -> RemovableHandle:
        """Watch a module under this name."""

        def hook(module: nn.Module, _: Any, output: Any) -> None:
            self.pending.append((name, self.read(name, module, output)))

        return module.register_forward_hook(hook)

    def add(self, labels: torch.Tensor, *, classes: int) -> None:
        """Take in the features of one batch.

        Raises:
            InvalidInputError: other modules ran, or ran more or less often, than in the first batch; features with
                another number of samples or width, or that are not finite.
        """
        calls: Counter[str] = Counter()
        found: dict[tuple[str, int], torch.Tensor] = {}
        for name, features in self.pending:
            calls[name] += 1
            found[name, calls[name]] = features
        self.pending.clear()
        self._expect_calls_as_before(calls)
        for (name, call), features in found.items():
            if len(features) != len(labels):
                raise InvalidInputError(
                    f"{name}: expected one row for each of {len(labels)} samples, but found {len(features)}; pass "
                    f"outputs={{{name!r}: lambda output: ...}} that puts samples first"
                )
            expect_finite(name, features)
            width = features.shape[1]
            if self.widths.setdefault((name, call), width) != width:
                raise InvalidInputError(
                    f"{name}: expected width {self.widths[name, call]} as in the first batch, but found {width}; use "
                    'pooling="mean" where images or sequences have several sizes'
                )
            if (name, call) not in self.streams:
                wanted = width <= _WIDEST_SCATTER if self.scatter is None else self.scatter
                self.streams[name, call] = MomentStream(classes, scatter=wanted)
            with _named(name), _in_full_precision(features.device.type):
                self.streams[name, call].add(features, labels)

    def moments(self, processes: Processes) -> dict[str, ClassMoments]:
        """Of these processes' samples, by name, with "#1", "#2", ... behind it where a module ran several times."""
        calls = Counter(name for name, _ in self.streams)
        found = {}
        for (name, call), stream in self.streams.items():
            with _named(name):
                found[f"{name}#{call}" if calls[name] > 1 else name] = processes.moments(stream.moments())
        return found

    def _expect_calls_as_before(self, calls: Counter[str]) -> None:
        before = Counter(name for name, _ in self.streams)
        if not before or before == calls:
            return
        name = next(name for name in (*before, *calls) if before[name] != calls[name])
        raise InvalidInputError(
            f"{name}: expected {before[name]} calls in every batch, but found {calls[name]}; leave it out, or use "
            "batches in which every module runs equally often"
        )


def _in_full_precision(device: str) -> AbstractContextManager[object]:
    """Without autocast, which takes longer to switch off than the statistics of a batch do if it is off already."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors with the layer in front."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error
