"""Checkpoints of a run: tensors as safetensors, the rest as JSON; complete or absent, whenever the run is killed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.network import Network
from deepcollapse.networks.replacing import replace_file

__all__ = ["BEST", "MODEL", "Checkpoints", "load_best", "read_checkpoint", "restore_network", "write_checkpoint"]

BEST = "best/"
MODEL = "model/"

_INDEX = "checkpoint.json"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where and how often a run is saved; a run finds what an earlier one left there and goes on from it.

    Attributes:
        folder: of this run alone; made where it is missing.
        seconds: between two checkpoints, at least.
        updates: between two checkpoints exactly; None leaves it to the clock. What is computed depends on neither.

    Raises:
        InvalidInputError: negative seconds, or updates below 1.
    """

    folder: Path
    seconds: float = 60.0
    updates: int | None = None

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise InvalidInputError(f"seconds: expected a number >= 0, but found {self.seconds}; 60 is the default")
        if self.updates is not None and self.updates < 1:
            raise InvalidInputError(f"updates: expected at least 1, but found {self.updates}; None takes the clock")

    def due(self, *, step: int, seconds: float) -> bool:
        """Whether it is time, ``seconds`` after the last one."""
        return seconds >= self.seconds if self.updates is None else step % self.updates == 0


def write_checkpoint(folder: Path, tensors: dict[str, torch.Tensor], values: dict[str, object]) -> None:
    """Replace the folder's checkpoint by this one.

    The tensors go to a new file, then a new index that names it takes the place of the old one, both written beside,
    flushed to the disk and renamed; then the old tensors are deleted. A reader finds the old state or the new one.

    Args:
        folder: made where it is missing.
        tensors: any device and layout.
        values: ready for JSON, with the whole number "step".

    Raises:
        WritingError: the disk refused; the old checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"step-{values['step']}{'-end' if values.get('finished') else ''}.safetensors"
    content = save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()})
    replace_file(folder / name, content)
    index = {"version": _VERSION, "tensors": name, "values": values, "digest": _digest(content, values)}
    replace_file(folder / _INDEX, json.dumps(index, allow_nan=False).encode())
    for old in folder.glob("step-*.safetensors*"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> tuple[dict[str, torch.Tensor], dict] | None:
    """Tensors (on the CPU) and values of the folder's checkpoint; None where there is none.

    Raises:
        InvalidInputError: files that are damaged, or of another version.
    """
    try:
        text = (folder / _INDEX).read_bytes()
    except FileNotFoundError:
        return None
    try:
        if (version := json_object(text, {"version": int})["version"]) == _VERSION:
            index = json_object(text, {"tensors": str, "values": dict})
            content, values = (folder / Path(index["tensors"]).name).read_bytes(), index["values"]
            if index.get("digest", expected := _digest(content, values)) != expected:
                raise ValueError("other bytes than were written")
            return load(content), values
    except (OSError, SafetensorError, LookupError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"checkpoint: expected {_INDEX} and the tensors it names in {folder}, but found {error!r}; delete the "
            "folder to start from the beginning"
        ) from error
    raise InvalidInputError(
        f"checkpoint: expected version {_VERSION} in {folder}, but found {version}; finish the run with the release "
        "that began it, or take another folder"
    )


def restore_network(network: Network, tensors: dict[str, torch.Tensor], *, prefix: str = MODEL) -> None:
    """Copy saved parameters and buffers into a network of the same shapes.

    Raises:
        InvalidInputError: other names or shapes.
    """
    state = network.module().state_dict()
    saved = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in saved.items()}:
        odd = sorted(key for key in state.keys() | saved.keys() if _shape(state, key) != _shape(saved, key))
        raise InvalidInputError(
            f"checkpoint: expected the network's parameters and buffers, but found another name or shape for {odd[0]}; "
            "build the network as it was"
        )
    with torch.no_grad():
        for key, value in state.items():
            value.copy_(saved[key])


def load_best(folder: Path, network: Network) -> int:
    """Copy the parameters and buffers with the least objective at any look into a network; returns their step.

    Raises:
        InvalidInputError: no checkpoint, a damaged one, or one of another network.
    """
    found = read_checkpoint(folder)
    if found is None or found[1].get("best") is None:
        raise InvalidInputError(f"checkpoint: expected one with a look in {folder}, but found none; train first")
    tensors, values = found
    restore_network(network, tensors, prefix=BEST)
    return int(values["best"]["step"])


def _digest(content: bytes, values: dict) -> str:
    """Of all that a checkpoint holds, so that a damaged byte is no number that nobody notices."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(content + text.encode(), digest_size=16).hexdigest()


def _shape(tensors: dict[str, torch.Tensor], key: str) -> torch.Size | None:
    return tensors[key].shape if key in tensors else None
