"""What is trained, and how, in one document: read from TOML, checked before anything runs."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from deepcollapse.documents import toml_document
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.backbones import Backbone, MlpBackbone
from deepcollapse.experiments.image_data import ImageData
from deepcollapse.experiments.mistakes import mistakes
from deepcollapse.networks import Batches, Descent, Execution, Network, StandardDecay, UfmDecay, deep_head
from deepcollapse.networks.execution import own_randomness
from deepcollapse.networks.network import in_mode
from deepcollapse.powers import quoted_powers, with_powers
from deepcollapse.ufm import Activation

__all__ = ["Analysis", "HeadSpec", "TrainSpec", "decisive", "shipped_specs", "train_spec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """The deep head, without bias.

    Attributes:
        layers: L, weight matrices.
        width: d, of the features and the hidden layers.
        activation: between the layers, "linear" or "relu".
        gain: initial weights are N(0, gain^2 / (3 d)): 1 is the size of PyTorch's linear layers. It decides what
            training ends at.
    """

    layers: int = 3
    width: int = 64
    activation: Activation = "linear"
    gain: Annotated[float, Field(gt=0)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is measured besides objective and singular values.

    Attributes:
        layers: measure collapse at every layer of backbone and head at every look, not only at the end.
        noise: standard deviations of Gaussian noise, in units of the pixels as the network gets them, under which
            accuracy is taken.
        polish: free the features at the end, and follow the feature model from there to its nearest critical point.
    """

    layers: bool = True
    noise: tuple[Annotated[float, Field(ge=0, le=1e6)], ...] = (0.1, 0.3, 1.0)
    polish: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """A network with a deep head, its images, its training, and what is measured.

    Attributes:
        name: of the experiment, for people.
        data: training and test images.
        backbone: images to features.
        head: features to logits.
        decay: as in the feature model, or on every parameter.
        descent: step rule, horizon and stopping rule.
        batches: full batch or minibatches; pieces.
        execution: memory format and mixed precision.
        analysis: what is measured.
        seed: of all initial weights.
        device: a torch device.
        dtype: of images, weights and descent; what is reported is read off in float64.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    data: ImageData
    backbone: Annotated[Backbone, Field(discriminator="kind")] = field(default_factory=MlpBackbone)
    head: HeadSpec = field(default_factory=HeadSpec)
    decay: Annotated[UfmDecay | StandardDecay, Field(discriminator="kind")]
    descent: Descent = field(default_factory=Descent)
    batches: Batches = field(default_factory=Batches)
    execution: Execution = field(default_factory=Execution)
    analysis: Analysis = field(default_factory=Analysis)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: str = "cpu"
    dtype: Literal["float32", "float64"] = "float32"

    def as_json(self) -> dict[str, Any]:
        """The whole document with all defaults written out, ready for ``json.dumps``."""
        return _ADAPTER.dump_python(self, mode="json")

    def network(self, shape: tuple[int, ...], *, classes: int) -> Network:
        """Backbone and head for images of this shape, at their initial weights.

        Raises:
            InvalidInputError: sizes out of range, images that the backbone does not take, features of another width
                than the head's, or no such device.
        """
        dtype = getattr(torch, self.dtype)
        try:
            torch.zeros((), device=self.device, dtype=dtype).item()
        except (RuntimeError, AssertionError, TypeError) as error:  # no such device, not compiled in, no such dtype
            reason = str(error).splitlines()[0]
            raise InvalidInputError(
                f'device: expected one that holds {self.dtype}, but found {self.device!r} ({reason}); use "cpu"'
            ) from None
        generator = torch.Generator().manual_seed(self.seed)
        with own_randomness(torch.device("cpu"), seed=self.seed):  # a factory may draw from torch's own numbers
            backbone = self.backbone.module(shape, width=self.head.width, generator=generator)
        head = deep_head(
            classes,
            layers=self.head.layers,
            width=self.head.width,
            generator=generator,
            scale=self.head.gain * 3.0**-0.5,
            activation=self.head.activation,
        )
        network = Network(backbone, head).to(device=self.device, dtype=dtype)
        _expect_features(network, shape)
        return network


_ADAPTER: TypeAdapter[TrainSpec] = TypeAdapter(TrainSpec)
_TEXTS = ("name", "path", "factory")  # entries in which 2^-10 is no number
_FOLDER = resources.files("deepcollapse.experiments") / "specs"


def decisive(document: Mapping[str, Any]) -> dict[str, Any]:
    """A specification's document without what changes no number: the name, and where images are kept."""
    data = document.get("data")
    kept = {k: v for k, v in data.items() if k not in ("path", "download")} if isinstance(data, Mapping) else data
    return {**document, "name": None, "data": kept}


def shipped_specs() -> tuple[str, ...]:
    """Names of the specifications that come with the package."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir()))


def train_spec(source: str | Path | Mapping[str, Any], overrides: Iterable[str] | Mapping[str, Any] = ()) -> TrainSpec:
    """Read and check a specification.

    Args:
        source: a TOML file, the name of a shipped specification, or the document itself.
        overrides: entries that replace or are added: values by dotted key, or assignments "part.key=value", where a
            value is TOML, or else a plain string. Powers such as 2^-10 are numbers, in the document between quotes.

    Raises:
        InvalidInputError: no such file or name, no TOML, unknown keys, values of another type or out of range; all of
            them at once, each with its key.

    >>> train_spec("digits", ["head.width=16", "descent.rule=adam"]).descent.rule
    'adam'
    """
    document = dict(source) if isinstance(source, Mapping) else _read(source)
    replaced = overrides.items() if isinstance(overrides, Mapping) else map(_assignment, overrides)
    for key, value in replaced:
        document = _replaced(document, key.split("."), value)
    try:
        return _ADAPTER.validate_python(with_powers(document, texts=_TEXTS))
    except ValidationError as error:
        raise InvalidInputError("; ".join(mistakes(error))) from None


def _expect_features(network: Network, shape: tuple[int, ...]) -> None:
    """Of two blank images; a backbone may be anyone's code and raise anything."""
    expected = (2, network.head.weights[0].shape[1])
    try:
        with in_mode(network, training=False), torch.no_grad():
            features = network.backbone(network.tensor(np.zeros((2, *shape), dtype=np.float32)))
            found = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
    except Exception as error:
        found = repr(error)
    if found != expected:
        raise InvalidInputError(
            f"backbone: expected features of shape {expected} from two images of shape {shape}, but found {found}; "
            "return head.width numbers for each image"
        )


def _read(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if str(source) in shipped_specs():
        text = (_FOLDER / f"{source}.toml").read_text(encoding="utf-8")
    elif path.is_file():
        text = path.read_bytes().decode("utf-8", errors="replace")
    else:
        raise InvalidInputError(
            f"spec: expected a TOML file or one of {', '.join(shipped_specs())}, but found {str(source)!r}; name one"
        )
    return _toml(text, where=str(source))


def _toml(text: str, *, where: str) -> dict[str, Any]:
    try:
        return toml_document(text)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}") from None


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not all(key.strip().split(".")):
        raise InvalidInputError(f"override: expected part.key=value, but found {text!r}; correct it")
    return key.strip(), _value(value.strip())


def _replaced(document: Mapping[str, Any], names: list[str], value: Any) -> dict[str, Any]:
    first, *rest = names
    inner = document.get(first, {})
    if rest and not isinstance(inner, Mapping):
        raise InvalidInputError(f"override: expected a table at {first}, but found {inner!r}; drop .{'.'.join(rest)}")
    return {**document, first: _replaced(inner, rest, value) if rest else value}


def _value(text: str) -> Any:
    for written in (text, quoted_powers(text)):
        with suppress(InvalidInputError):
            return toml_document(f"value = {written}")["value"]
    return text
