"""The linear layer whose output are the logits, and the features that enter it."""

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
from deepcollapse.observe.processes import Processes
from deepcollapse.stats import ClassMoments

__all__ = ["Classifier", "ClassifierTap"]

# Rounding to bfloat16 moves a number by up to 2^-8 of itself; factors and sum are rounded, which 2^-6 covers.
_ROUNDING = 2.0**-6


@dataclass(frozen=True, slots=True)
class Classifier:
    """The last layer and what it reads.

    Attributes:
        name: of the linear layer.
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


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a linear layer on a matrix: copies, so that nothing that runs later changes them."""

    name: str
    module: nn.Linear
    features: torch.Tensor
    output: torch.Tensor

    def gives(self, logits: torch.Tensor) -> bool:
        """Whether the logits are this output."""
        return self.output.shape == logits.shape and torch.equal(self.output.double(), logits.double())

    @property
    def is_affine(self) -> bool:
        """Whether the output is W x + b up to rounding, which a subclass of nn.Linear may not keep to."""
        rows = self.features.double()
        weight, bias = _affine(self.module)
        gap = (rows @ weight.T + bias - self.output.double()).abs()
        return bool((gap <= _ROUNDING * (rows.abs() @ weight.abs().T + bias.abs())).all())


@dataclass(slots=True)
class ClassifierTap:
    """Watches linear layers in the first batch, and then the one that gave the logits.

    Attributes:
        streams: where the features of the classifier go.
        wanted: name that was asked for; None to search.
        handles: of the hooks.
        calls: since the last ``add``.
        found: the classifier, once known.
        kept: its features in their own dtype, on the CPU.
    """

    streams: LayerStreams
    wanted: str | None
    handles: dict[str, RemovableHandle] = field(default_factory=dict)
    calls: list[_Call] = field(default_factory=list)
    found: tuple[str, nn.Linear] | None = None
    kept: list[torch.Tensor] = field(default_factory=list)

    def attach(self, modules: Iterable[tuple[str, nn.Module]]) -> None:
        """Watch the linear ones among the modules; if one is wanted, it is the only module.

        Raises:
            InvalidInputError: the wanted one is not linear.
        """
        for name, module in modules:
            if isinstance(module, nn.Linear):
                self.handles[name] = module.register_forward_hook(self._hook(name), with_kwargs=True)
            elif self.wanted is not None:
                raise InvalidInputError(
                    f"classifier: expected an nn.Linear, but found {type(module).__name__} at {name!r}; name the "
                    "layer that gives the logits, or leave it out"
                )

    def detach(self) -> None:
        """Remove the hooks."""
        for handle in self.handles.values():
            handle.remove()
        self.handles.clear()

    def add(self, logits: torch.Tensor | None, labels: torch.Tensor, *, classes: int) -> None:
        """Take in one batch; the first one decides which layer is the classifier.

        Raises:
            InvalidInputError: the wanted layer did not run exactly once on features (N, d), or has not K outputs; the
                layer found does not give the logits of a later batch.
        """
        calls = list(self.calls)
        self.calls.clear()
        chosen = self._named(calls, classes) if self.wanted is not None else _giving(calls, logits)
        if not self.kept and chosen is not None and (self.wanted is not None or chosen.is_affine):
            self.found = (chosen.name, chosen.module)
        if self.found is None:
            self.detach()
            return
        for name in [name for name in self.handles if name != self.found[0]]:
            self.handles.pop(name).remove()
        if chosen is None:
            raise InvalidInputError(
                f"classifier: expected the logits of every batch from {self.found[0]!r}, as in the first, but found "
                f"others; name the layer that is meant, as in classifier={self.found[0]!r}"
            )
        self.kept.append(chosen.features.cpu())
        self.streams.pending.append((f"{chosen.name} (input)", chosen.features))
        self.streams.add(labels, classes=classes)

    def classifier(self, processes: Processes) -> Classifier | None:
        """What was found, on all these processes' samples; None where no linear layer gave the logits."""
        if self.found is None:
            return None
        (moments,) = self.streams.moments(processes).values()
        weight, bias = (tensor.cpu().numpy().copy() for tensor in _affine(self.found[1]))
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
        def hook(module: nn.Linear, *call: Any) -> None:
            args, kwargs, output = call
            features = args[0] if args else kwargs["input"]
            if features.ndim == 2:
                self.calls.append(_Call(name, module, features.detach().clone(), output.detach().clone()))

        return hook

    def _named(self, calls: list[_Call], classes: int) -> _Call:
        if len(calls) != 1 or calls[0].output.shape[1] != classes:
            shapes = [(tuple(call.features.shape), tuple(call.output.shape)) for call in calls]
            raise InvalidInputError(
                f"classifier: expected {self.wanted!r} to run once per batch from (N, d) to (N, {classes}), but found "
                f"{shapes or 'no such call'}; name the layer that gives the logits, or leave it out"
            )
        return calls[0]


def _giving(calls: list[_Call], logits: torch.Tensor | None) -> _Call | None:
    if logits is None:
        return None
    return next((call for call in reversed(calls) if call.gives(logits)), None)


def _affine(module: nn.Linear) -> tuple[torch.Tensor, torch.Tensor]:
    """W and b in float64, b zero where there is none."""
    weight = module.weight.detach().double()
    return weight, torch.zeros_like(weight[:, 0]) if module.bias is None else module.bias.detach().double()
