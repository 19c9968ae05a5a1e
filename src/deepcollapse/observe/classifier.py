"""The linear map that gives the logits, and the features that enter it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.utils.hooks import RemovableHandle

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics.nc4 import nc4_matches
from deepcollapse.observe.layer_streams import LayerStreams
from deepcollapse.observe.linear_calls import LinearCall, affine_map, is_linear
from deepcollapse.observe.processes import Processes
from deepcollapse.stats import ClassMoments

__all__ = ["Classifier", "ClassifierTap"]

_KEPT = 4  # calls on many positions that wait until the logits are known; what gives these is among the last
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Classifier:
    """The last layer and what it reads.

    Attributes:
        name: of the layer: nn.Linear, a convolution with kernel 1, or transformers' Conv1D.
        weight: W, one row per class.
        bias: b, or None.
        moments: of the features that enter it.
        agreement: share of samples for which it and the nearest class mean name one class (NC4), both among the classes
            that have samples.
    """

    name: str
    weight: Float[np.ndarray, "K d"]
    bias: Float[np.ndarray, " K"] | None
    moments: ClassMoments
    agreement: float


@dataclass(slots=True)
class ClassifierTap:
    """Watches linear maps in the first batch, and then the one that gave the logits.

    Attributes:
        streams: where the features of the classifier go.
        wanted: name that was asked for; None to search.
        real: which positions of the present batch count; None for all.
        handles: of the hooks.
        calls: since the last ``add``.
        shapes: name, and shapes of input and output, of every call since the last ``add``.
        found: the classifier, once known.
        kept: its features in their own dtype, on the CPU.
        note: why there is none.
    """

    streams: LayerStreams
    wanted: str | None
    real: torch.Tensor | None = None
    handles: dict[str, RemovableHandle] = field(default_factory=dict)
    calls: list[LinearCall] = field(default_factory=list)
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    found: tuple[str, nn.Module] | None = None
    kept: list[torch.Tensor] = field(default_factory=list)
    note: str | None = None

    def attach(self, modules: Iterable[tuple[str, nn.Module]]) -> None:
        """Watch the linear ones among the modules; if one is wanted, it is the only module.

        Raises:
            InvalidInputError: the wanted one is not linear.
        """
        for name, module in modules:
            if is_linear(module):
                self.handles[name] = module.register_forward_hook(self._hook(name), with_kwargs=True)
            elif self.wanted is not None:
                raise InvalidInputError(
                    f"classifier: expected nn.Linear, a convolution of one group or transformers' Conv1D, but found "
                    f"{type(module).__name__} at {name!r}; name the layer that gives the logits, or leave it out"
                )

    def detach(self) -> None:
        """Remove the hooks."""
        for handle in self.handles.values():
            handle.remove()
        self.handles.clear()

    def add(self, logits: torch.Tensor | None, labels: torch.Tensor, *, classes: int) -> None:
        """Take in one batch; the first one decides which layer is the classifier.

        Raises:
            InvalidInputError: the wanted layer did not run exactly once, or neither on features (N, d) nor so that it
                gives the logits; or has not K outputs.
        """
        calls, self.calls = self.calls, []
        shapes, self.shapes = self.shapes, []
        if self.note is not None:
            return
        if self.streams.read.pooling == "tokens" and self.real is not None:
            calls = [token for call in calls if (token := call.by_token(self.real)) is not None]
        chosen = self._chosen(calls, logits, shapes=shapes, classes=classes)
        if chosen is None:
            self._give_up(_nothing_gave(shapes, samples=len(labels), classes=classes, before=self.found))
            return
        call, features = chosen
        self.found = (call.name, call.module)
        for name in [name for name in self.handles if name != call.name]:
            self.handles.pop(name).remove()
        self.kept.append(features.cpu())
        self.streams.pending.append((f"{call.name} (input)", features))
        self.streams.add(labels, classes=classes)

    def classifier(self, processes: Processes) -> Classifier | None:
        """What was found, on all these processes' samples; None where no linear map gave the logits of all of them."""
        names = processes.each(self.found and self.found[0])
        if self.found is None or any(name != names[0] for name in names):
            self.note = (
                self.note or f"classifier: expected one in all processes, but found {names}; NC3 and NC4 are left out"
            )
            return None
        (moments,) = self.streams.moments(processes).values()
        weight, bias = (tensor.numpy().copy() for tensor in affine_map(*self.found))
        seen = moments.counts > 0
        matches = sum(map(len, self.kept))  # of one class, both can name that only
        if seen.sum() > 1:
            given = {"means": moments.means[seen], "weight": weight[seen], "bias": bias[seen]}
            arrays = (rows.float() if rows.dtype == torch.bfloat16 else rows for rows in self.kept)
            matches = sum(nc4_matches(rows.numpy(), **given) for rows in arrays)
        return Classifier(
            name=self.found[0],
            weight=weight,
            bias=None if self.found[1].bias is None else bias,
            moments=moments,
            agreement=processes.total(matches) / moments.total,
        )

    def _hook(self, name: str):
        def hook(module: nn.Module, *call: Any) -> None:
            args, kwargs, output = call
            entering = args[0] if args else next(iter(kwargs.values()), None)
            if not (isinstance(entering, torch.Tensor) and isinstance(output, torch.Tensor)):
                return
            self.shapes.append((name, tuple(entering.shape), tuple(output.shape)))
            found = LinearCall.of(name, module, entering=entering, output=output)
            if found is not None:
                self.calls.append(found)
            many = [call for call in self.calls if call.positions > 1]
            if len(many) > _KEPT:
                self.calls.remove(many[0])

        return hook

    def _chosen(
        self, calls: list[LinearCall], logits: torch.Tensor | None, *, shapes: list, classes: int
    ) -> tuple[LinearCall, torch.Tensor] | None:
        """The last call that gives the logits, with the features it read; of a wanted layer its only call."""
        if self.wanted is None:
            return self._giving(calls, logits)
        found = None
        if len(calls) == len(shapes) == 1 and calls[0].output.shape[2] == classes:
            plain = calls[0].positions == 1
            found = (calls[0], calls[0].features[:, 0]) if plain else self._giving(calls, logits)
        if found is None:
            raise InvalidInputError(
                f"classifier: expected {self.wanted!r} to run once per batch from (N, d) to (N, {classes}), or "
                f"to give the logits at one position of each sample, but found {_listed(shapes)}; name the layer that "
                "gives the logits, or leave it out"
            )
        return found

    def _giving(self, calls: list[LinearCall], logits: torch.Tensor | None) -> tuple[LinearCall, torch.Tensor] | None:
        for call in reversed(calls):
            features = None if logits is None else call.features_of(logits, self.real)
            if features is not None and logits is not None and (self.kept or call.makes(logits, features)):
                return call, features
        return None

    def _give_up(self, note: str) -> None:
        self.detach()
        self.found, self.note = None, note
        self.kept.clear()
        self.streams.streams.clear()


def _nothing_gave(
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]],
    *,
    samples: int,
    classes: int,
    before: tuple[str, nn.Module] | None,
) -> str:
    """Why there is no classifier, the calls that did happen, and the name to pass where one of them can be it."""
    names = Counter(name for name, _, _ in shapes)
    fitting = [name for name, _, given in shapes if given == (samples, classes) and names[name] == 1]
    remedy = f'; if one of them is the classifier, name it, as in classifier="{fitting[-1]}"' if fitting else ""
    where = f" from {before[0]!r} in a later batch, as in the first" if before else ""
    return (
        f"classifier: expected logits {(samples, classes)} that are the output of a linear layer{where}, but found "
        f"{_listed(shapes)}; NC3 and NC4 have no value{remedy}"
    )


def _listed(shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]]) -> str:
    """The last calls with the shapes of their input and output."""
    calls = [f"{name} {entering} -> {given}" for name, entering, given in shapes[-_SHOWN:]]
    more = f"{len(shapes) - _SHOWN} calls of linear layers, then " if len(shapes) > _SHOWN else ""
    return more + ", ".join(calls) if calls else "no call of a linear layer"
