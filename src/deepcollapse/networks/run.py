"""A training run between two updates: all that the next update depends on, and its passage to and from a checkpoint."""

import hashlib
from dataclasses import dataclass, field

import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.batches import Batches, BatchStream, TrainingSet
from deepcollapse.networks.checkpoint import BEST, MODEL, restore_network
from deepcollapse.networks.decay import Decay, add_decay
from deepcollapse.networks.descent import Descent
from deepcollapse.networks.execution import Execution
from deepcollapse.networks.health import Window
from deepcollapse.networks.network import Network
from deepcollapse.networks.objective import piece_objective
from deepcollapse.networks.trajectory import Recorder

__all__ = ["Run"]

_OPTIMISER = "optimiser/"


@dataclass(slots=True, kw_only=True)
class Run:
    """Where a run is.

    Attributes:
        network: trained in place.
        data: its images.
        decay: of weights and features.
        descent: step rule.
        batches: which images an update sees.
        execution: how passes are executed.
        step: updates done.
        seen: images seen in them.
        unwell: windows in a row at whose end the run was stalled or collapsed.
        recorder: looks so far.
        best: step and objective of the best look.
        best_state: parameters and buffers then.
        optimiser: torch's.
        stream: of batches.
        window: the last objectives.
        batch_rows: images in the batch that was passed last.
        digest: of the data, once a checkpoint asks for it.
    """

    network: Network
    data: TrainingSet
    decay: Decay
    descent: Descent
    batches: Batches
    execution: Execution
    step: int = 0
    seen: int = 0
    unwell: int = 0
    recorder: Recorder = field(default_factory=Recorder)
    best: tuple[int, float] | None = None
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)
    optimiser: torch.optim.Optimizer = field(init=False)
    stream: BatchStream = field(init=False)
    window: Window = field(init=False)
    batch_rows: int = field(init=False, default=0)
    digest: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.execution.prepare(self.network)
        self.optimiser = self.descent.optimiser(self.network.parameters())
        images = len(self.data.labels)
        self.stream = BatchStream(self.batches, images)
        epoch = self.batches.per_epoch(images)
        self.window = Window.of(self.descent.window, epoch=epoch, like=self.network.head.weights[0].detach())

    def passes(self) -> torch.Tensor:
        """Forward and backward through one batch, in pieces: leaves the gradients, returns the batch's objective.

        For a full batch the gradient is that of the objective; for a minibatch its mean over random batches is. No
        more than a minibatch is copied.
        """
        self.optimiser.zero_grad()
        rows = self.stream.rows(self.step)
        batch = self.data.rows(None if rows is None else rows.to(self.data.labels.device))
        self.batch_rows = len(batch.labels)
        scale = len(self.data.labels) / self.batch_rows
        total = self.network.head.weights[0].new_zeros(())
        data = total.clone()
        for piece in batch.pieces(self.batches.piece):
            loss, entropy = piece_objective(
                self.execution.features(self.network, piece.images),
                piece.labels,
                self.network.head,
                decay=self.decay.features,
                share=len(piece.labels) / self.batch_rows,
                scale=scale,
            )
            loss.backward()
            total += loss.detach()
            data += entropy
        add_decay(self.decay.parameters(self.network), self.decay.weights)
        with torch.no_grad():
            for parameter in self.decay.parameters(self.network):
                total += 0.5 * self.decay.weights * parameter.square().sum()
        self.window.add(self.step, objective=total, data=data)
        return total

    def update(self) -> None:
        """Take the step that the gradients ask for."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.descent.rate_at(self.step)
        self.optimiser.step()
        self.step += 1
        self.seen += self.batch_rows

    def remember_best(self, objective: float) -> None:
        """Keep a copy of the network if no look was better."""
        if self.best is None or objective < self.best[1]:
            self.best = (self.step, objective)
            self.best_state = {k: v.detach().clone() for k, v in self.network.module().state_dict().items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a checkpoint: network, optimiser, window, best network."""
        found = {MODEL + key: value for key, value in self.network.module().state_dict().items()}
        found |= {BEST + key: value for key, value in self.best_state.items()}
        for index, entries in self.optimiser.state_dict()["state"].items():
            for name, value in entries.items():
                if isinstance(value, torch.Tensor):
                    found[f"{_OPTIMISER}{index}/{name}"] = value
        return found | {"window/objectives": self.window.objectives, "window/data": self.window.data}

    def values(self) -> dict[str, object]:
        """For a checkpoint: everything else, ready for JSON."""
        device = self.data.images.device
        return {
            "step": self.step,
            "seen": self.seen,
            "unwell": self.unwell,
            "settings": self.settings(),
            "stream": _hex(self.stream.state(self.step)),
            "random": _hex(torch.get_rng_state()),
            "device_random": _hex(torch.cuda.get_rng_state(device)) if device.type == "cuda" else None,
            "looks": [list(row) for row in self.recorder.rows],
            "best": None if self.best is None else {"step": self.best[0], "objective": self.best[1]},
        }

    def restore(self, tensors: dict[str, torch.Tensor], values: dict) -> None:
        """Become the run that was saved.

        Raises:
            InvalidInputError: the checkpoint is of other data, settings or another network, or something is missing.
        """
        try:
            self._restore(tensors, values)
        except InvalidInputError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise InvalidInputError(
                f"checkpoint: expected all that a run consists of, but found {error!r}; delete its folder to start anew"
            ) from error

    def _restore(self, tensors: dict[str, torch.Tensor], values: dict) -> None:
        for name, ours in self.settings().items():
            theirs = values["settings"].get(name)
            if ours != theirs:
                raise InvalidInputError(
                    f"checkpoint: expected a run with {name} {ours}, but found {theirs}; take another folder, or the "
                    "old settings"
                )
        restore_network(self.network, tensors)
        self._restore_optimiser(tensors)
        self.window.objectives.copy_(tensors["window/objectives"])
        self.window.data.copy_(tensors["window/data"])
        self.stream.restore(_state(values["stream"]))
        torch.set_rng_state(_state(values["random"]))
        if values["device_random"] is not None:
            torch.cuda.set_rng_state(_state(values["device_random"]), self.data.images.device)
        self.step, self.seen, self.unwell = values["step"], values["seen"], values["unwell"]
        self.recorder.rows[:] = [tuple(row) for row in values["looks"]]
        if values["best"] is not None:
            self.best = (values["best"]["step"], values["best"]["objective"])
            state = self.network.module().state_dict()
            self.best_state = {key: tensors[BEST + key].to(value.device) for key, value in state.items()}

    def settings(self) -> dict[str, str]:
        """What a checkpoint must agree on, so that going on from it is the same run."""
        weight = self.network.head.weights[0]
        self.digest = self.digest or _digest(self.data)
        return {
            "decay": repr(self.decay),
            "descent": repr(self.descent),
            "batches": repr(self.batches),
            "execution": repr(self.execution),
            "dtype": f"{weight.dtype} on {weight.device.type}",
            "data": self.digest,
        }

    def _restore_optimiser(self, tensors: dict[str, torch.Tensor]) -> None:
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, saved in tensors.items():
            if key.startswith(_OPTIMISER):
                index, name = key.removeprefix(_OPTIMISER).split("/")
                like = parameters[int(index)]
                if saved.shape == like.shape and name != "step":
                    saved = torch.empty_like(like, requires_grad=False).copy_(saved)
                state.setdefault(int(index), {})[name] = saved
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})


def _digest(data: TrainingSet) -> str:
    digest = hashlib.blake2b(repr(tuple(data.images.shape)).encode(), digest_size=16)
    for tensor in (data.labels, data.images):
        for rows in tensor.split(4096):
            digest.update(rows.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _hex(state: torch.Tensor) -> str:
    return state.numpy().tobytes().hex()


def _state(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
