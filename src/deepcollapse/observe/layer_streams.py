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


@dataclass(slots=True)
class LayerStreams:
    """Features wait in ``pending`` while the network runs; ``add`` takes them into the moments of their layer.

    Attributes:
        read: from a module's output to features.
        scatter: whether scatter matrices are wanted; None for layers no wider than 2048.
        strict: whether a layer that has no row for each sample is refused rather than left out.
        real: which positions of the present batch count; None for all.
        pending: name and features of each call since the last ``add``.
        streams: by name and number of the call in a pass, in the order in which outputs came.
        widths: of the features of each stream.
        left_out: by name, why a layer was left out.
        begun: whether a batch was taken in.
    """

    read: FeatureReader
    scatter: bool | None
    strict: bool = True
    real: torch.Tensor | None = None
    pending: list[tuple[str, torch.Tensor]] = field(default_factory=list)
    streams: dict[tuple[str, int], MomentStream] = field(default_factory=dict)
    widths: dict[tuple[str, int], int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    begun: bool = False

    def attach(self, name: str, module: nn.Module) -> RemovableHandle:
        """Watch a module under this name."""

        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if name not in self.left_out:
                with self._sorting_out(name):
                    self.pending.append((name, self.read(name, module, output, real=self.real)))

        return module.register_forward_hook(hook)

    def add(self, labels: torch.Tensor, *, classes: int) -> None:
        """Take in the features of one batch; a layer without a row for each sample is refused, or left out.

        Raises:
            InvalidInputError: features that are not finite; where ``strict``, other modules ran, or ran more or less
                often, than in the first batch, or features have another number of samples or width.
        """
        calls: Counter[str] = Counter()
        found: dict[tuple[str, int], torch.Tensor] = {}
        for name, features in self.pending:
            calls[name] += 1
            found[name, calls[name]] = features
        self.pending.clear()
        self._expect_calls_as_before(calls)
        for (name, call), features in found.items():
            with self._sorting_out(name):
                self._expect_shape(name, call, features, samples=len(labels))
            if name in self.left_out:
                continue
            expect_finite(name, features)
            if (name, call) not in self.streams:
                wanted = features.shape[1] <= _WIDEST_SCATTER if self.scatter is None else self.scatter
                self.streams[name, call] = MomentStream(classes, scatter=wanted)
            with _named(name), _in_full_precision(features.device.type):
                self.streams[name, call].add(features, labels)

    def moments(self, processes: Processes) -> dict[str, ClassMoments]:
        """Of these processes' samples, by name, with "#1", "#2", ... behind it where a module ran several times.

        What one of the processes left out, or has not seen, is left out by all.
        """
        seen = processes.each((list(self.streams), self.left_out))
        for name in {name for keys, _ in seen for name, _ in keys}:
            calls = [[call for call in keys if call[0] == name] for keys, _ in seen]
            reason = next((reasons[name] for _, reasons in seen if name in reasons), None)
            if reason or any(other != calls[0] for other in calls):
                self._leave_out(name, reason or f"{name}: expected calls in every process, but found none in some")
        calls = Counter(name for name, _ in self.streams)
        found = {}
        for (name, call), stream in self.streams.items():
            with _named(name):
                found[f"{name}#{call}" if calls[name] > 1 else name] = processes.moments(stream.moments())
        return found

    def notes(self) -> Iterator[str]:
        """Which layers were left out, and why, those of one kind together."""
        kinds: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            kinds.setdefault(_kind(name, reason), []).append(name)
        for kind, names in kinds.items():
            yield (
                f"layers: left out {', '.join(map(repr, names))} ({kind}); to measure one, name it in layers= and pass "
                f"outputs={{{names[0]!r}: lambda output: ...}} that gives a row per sample"
            )

    def _expect_shape(self, name: str, call: int, features: torch.Tensor, *, samples: int) -> None:
        if len(features) != samples:
            raise InvalidInputError(
                f"{name}: expected one row for each of {samples} samples, but found {len(features)}; pass "
                f"outputs={{{name!r}: lambda output: ...}} that puts samples first"
            )
        width = features.shape[1]
        if self.widths.setdefault((name, call), width) != width:
            raise InvalidInputError(
                f"{name}: expected width {self.widths[name, call]} as in the first batch, but found {width}; use "
                'pooling="mean" where images or sequences have several sizes'
            )

    def _expect_calls_as_before(self, calls: Counter[str]) -> None:
        before = Counter(name for name, _ in self.streams)
        if not self.begun:
            self.begun = True
            return
        for name in [name for name in {**before, **calls} if before[name] != calls[name] and name not in self.left_out]:
            with self._sorting_out(name):
                raise InvalidInputError(
                    f"{name}: expected {before[name]} calls in every batch, but found {calls[name]}; leave it out, or "
                    "use batches in which every module runs equally often"
                )

    @contextmanager
    def _sorting_out(self, name: str) -> Iterator[None]:
        """A refusal of this layer leaves it out unless it was asked for by name."""
        try:
            yield
        except InvalidInputError as error:
            if self.strict:
                raise
            self._leave_out(name, str(error))

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out.setdefault(name, reason)
        for key in [key for key in self.streams if key[0] == name]:
            del self.streams[key]


def _kind(name: str, reason: str) -> str:
    """What was expected and found, without the name and the remedy for this one layer."""
    return reason.removeprefix(f"{name}: ").partition(";")[0]


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
