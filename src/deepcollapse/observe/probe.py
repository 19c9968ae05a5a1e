"""One pass of a network over data, from which the class moments of its layers come."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.batches import Batches, checked_logits, expect_finite, expect_range, moved
from deepcollapse.observe.classifier import Classifier, ClassifierTap
from deepcollapse.observe.evaluation import evaluation, expect_samples_apart
from deepcollapse.observe.features import FeatureReader
from deepcollapse.observe.layer_streams import LayerStreams
from deepcollapse.observe.layers import chosen_layers, original_module
from deepcollapse.observe.mask import Mask
from deepcollapse.observe.processes import Processes
from deepcollapse.stats import ClassMoments

__all__ = ["Observation", "probe"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a pass over the data has seen.

    Attributes:
        layers: moments of the features of each layer, in the order in which their outputs came.
        classifier: the linear layer that gave the logits; None where there is none.
        samples: N.
        accuracy: share of samples whose largest logit is that of their class; None without logits.
        notes: which layers were left out, and why; why there is no classifier.
    """

    layers: dict[str, ClassMoments]
    classifier: Classifier | None
    samples: int
    accuracy: float | None
    notes: tuple[str, ...] = ()


def probe(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: Sequence[str] | None = None,
    classes: int | None = None,
    classifier: str | None = None,
    pooling: str = "mean",
    outputs: Mapping[str, int | str | Callable[[Any], Any]] | None = None,
    scatter: bool | None = None,
    device: str | torch.device | None = None,
    forward: Callable[[nn.Module, Any], Any] | None = None,
    labels: Callable[[Any], Any] | None = None,
    mask: Mask = None,
    training: bool = False,
    distributed: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Observation:
    """Class moments of the features at the outputs of a network's layers, and of what enters its classifier.

    The model runs once over the loader, without gradients and in evaluation mode; modes, random state and hooks are as
    before when it returns or fails. A compiled model is observed as the original module, and the fused path of
    PyTorch's transformer layers is off, because hooks see neither; the numbers differ by rounding at most. Inside
    ``DataParallel`` and ``DistributedDataParallel`` the plain module runs, and names have no "module." or "_orig_mod.".
    In a distributed job every process sees its share of the data, unless ``distributed`` puts the shares together.

    Features keep the dtype the network gives them (float16 and bfloat16, too, under the caller's autocast), and pooling
    happens in it, as in the network; statistics are float64. Per layer O(K d + d^2) memory, or O(K d) without scatter;
    while a batch is in flight its pooled features wait in memory, and the N x d features of the classifier stay until
    the end, for NC4.

    Args:
        model: any module.
        loader: batches (inputs, labels, ...), or mappings with key "labels" or "label" whose other entries are the
            model's keyword arguments. Inputs may be a tensor, a tuple for ``model(*inputs)``, or a mapping for
            ``model(**inputs)``.
        layers: names as in ``model.named_modules()``; None for every linear and convolutional layer that runs and has a
            row for each sample, while others (window attention, experts) are left out with a note. One that runs
            several times in a pass gives "name#1", "name#2", ...
        classes: K; None for the number of logits.
        classifier: name of the linear layer that reads the last features; None for the last one whose output the logits
            are, at one position of each sample or in the mean over positions, if any. 1 x 1 convolutions and
            transformers' Conv1D are linear layers, too.
        pooling: of images and sequences over their positions: "mean"; "flatten"; "first" or "last" for that token of a
            sequence, and the mean over images; "tokens" to make a sample of each token, of labels (N, T), -100 for
            tokens without a class, and logits (N, T, K). Three axes are N x T x d, but N x C x T behind one-dimensional
            convolutions, normalisations and poolings; with more axes channels come second, or last behind nn.Linear and
            nn.LayerNorm.
        outputs: by layer name, where the features are in its output: index, key, or function from the output to a
            tensor with samples first. Otherwise the first tensor in the output is meant.
        scatter: whether to keep d x d scatter matrices, which NC1 needs; None for layers with d <= 2048.
        device: where inputs are moved; None for that of the model's parameters.
        forward: from the model and a batch to the model's output, for models called in another way; let it return None
            if the model has no logits.
        labels: from a batch to its labels, where they are not in the usual place.
        mask: which positions of padded sequences are real: a key of the batch, or a function from the batch to (N, T)
            booleans or None; by default the entry "attention_mask" if its shape is (N, T). Pooling leaves the others
            out, on whichever side they are; "flatten" has no value then.
        training: refused if True: statistics of a batch would make the features depend on it.
        distributed: whether to count the samples of all processes of torch.distributed, with one answer in all of them.
            Each must call this, with batches of its own; one that raises leaves the others waiting. Samples that a
            sampler hands to two processes, to make shares equal, count twice.
        progress: called after each batch with the number of samples done.

    Raises:
        InvalidInputError: unknown or silent layers, outputs without features, labels that are not whole numbers from 0
            to K - 1, one per sample; logits of another shape; features that are not finite; no data; BatchNorm without
            running statistics; no process group where one is asked for. Each with its remedy.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> seen = probe(model, [(torch.eye(2), torch.tensor([0, 1]))])
    >>> list(seen.layers), seen.classifier.name, seen.samples
    (['0', '2'], '2', 2)
    """
    model, processes = original_module(model), Processes(distributed)
    expect_samples_apart(model, training=training)
    place = _device(model) if device is None else torch.device(device)
    watched = chosen_layers(model, layers)
    reader = FeatureReader(pooling, _known_outputs(outputs, watched), sequence_first=_puts_time_first(model))
    streams = LayerStreams(reader, scatter, strict=layers is not None)
    tap = ClassifierTap(LayerStreams(reader, scatter), wanted=classifier)
    batches = Batches(forward, labels, mask, tokens=pooling == "tokens")
    run = _Pass(model, batches=batches, streams=streams, tap=tap, classes=classes)
    with evaluation(model, device=place), ExitStack() as hooks:
        hooks.callback(tap.detach)
        tap.attach(chosen_layers(model, None if classifier is None else [classifier]).items())
        for name, module in watched.items():
            hooks.callback(streams.attach(name, module).remove)
        for batch in loader:
            run.add(moved(batch, place))
            if run.first:
                run.expect_output_of(watched, all_of_them=layers is not None)
            if progress is not None:
                progress(run.samples)
    return run.observation(processes)


@dataclass(slots=True)
class _Pass:
    """Runs the network batch by batch and keeps count."""

    model: nn.Module
    batches: Batches
    streams: LayerStreams
    tap: ClassifierTap
    classes: int | None
    first: bool = False
    samples: int = 0
    correct: int | None = None

    def add(self, batch: Any) -> None:
        """Run one batch and take in what the layers gave."""
        labels, real = self.batches.labels_of(batch)
        self.streams.real = self.tap.real = real
        if not len(labels):
            return  # of tokens without a class
        output = self.batches.run(self.model, batch)
        tokens = real if self.batches.tokens else None
        logits, classes = checked_logits(output, classes=self.classes, samples=len(labels), tokens=tokens)
        self.classes = classes
        expect_range(labels, classes)
        self.streams.add(labels, classes=classes)
        if logits is not None:
            expect_finite("logits", logits)  # after the layers, of which the first is the one to blame
        self.tap.add(logits, labels, classes=classes)
        self.first = not self.samples
        self.samples += len(labels)
        if logits is not None:
            self.correct = (self.correct or 0) + int((logits.argmax(dim=1) == labels.to(logits.device)).sum())

    def expect_output_of(self, layers: Iterable[str], *, all_of_them: bool) -> None:
        """Refuse layers that gave nothing; unless all are meant, one is enough."""
        silent = sorted(set(layers) - {name for name, _ in self.streams.streams})
        if (left_out := self.streams.left_out) and not (self.streams.streams or self.tap.found):
            raise InvalidInputError(next(iter(left_out.values())))
        if (all_of_them and silent) or not (self.streams.streams or self.tap.found):
            raise InvalidInputError(
                f"layers: expected output of {silent or 'a layer'}, but found none in the forward pass; hooks see only "
                "what is called as module(x), so observe the original of a scripted, exported or graphed model, and "
                "name modules that run"
            )

    def observation(self, processes: Processes) -> Observation:
        """What was seen by these processes."""
        if not self.samples:
            raise InvalidInputError(
                "loader: expected at least one batch, but found none; a generator can be consumed only once"
            )
        samples = processes.total(self.samples)
        accuracy = None if self.correct is None else processes.total(self.correct) / samples
        layers, classifier = self.streams.moments(processes), self.tap.classifier(processes)
        notes = (*self.streams.notes(), *([self.tap.note] if self.tap.note else []))
        return Observation(layers, classifier, samples, accuracy, notes)


def _known_outputs(outputs: Mapping[str, Any] | None, watched: Mapping[str, nn.Module]) -> Mapping[str, Any]:
    unknown = sorted(set(outputs or {}) - set(watched))
    if unknown:
        raise InvalidInputError(
            f"outputs: expected names of layers that are observed, but found {unknown}; add them to layers="
        )
    return outputs or {}


def _puts_time_first(model: nn.Module) -> bool:
    return any(getattr(module, "batch_first", True) is False for module in model.modules())


def _device(model: nn.Module) -> torch.device | None:
    tensor = next(chain(model.parameters(), model.buffers()), None)
    return None if tensor is None else tensor.device
