"""A run that is killed and resumed is the uninterrupted run, to the bit; damaged checkpoints are errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import Descent, Network, Training, UfmDecay, train
from deepcollapse.networks.batches import Batches
from deepcollapse.networks.checkpoint import Checkpoints, load_best, read_checkpoint, write_checkpoint
from deepcollapse.networks.decay import StandardDecay
from deepcollapse.networks.execution import Execution
from deepcollapse.networks.schedule import Cosine, WarmUp
from networks.small_networks import normalised, plain, random_images

DATA = random_images()
DECAY = UfmDecay(5e-3, 5e-4)
SETTINGS = {
    "adam": {"descent": Descent(rule="adam", rate=0.01, steps_max=11, window=4, looks=5)},
    "nesterov": {"descent": Descent(rule="nesterov", steps_max=11, window=4, looks=5, schedule=WarmUp(steps=3))},
    "plain": {"descent": Descent(momentum=0.0, steps_max=11, window=4, looks=5, schedule=Cosine())},
}
BATCHES = {"full": Batches(piece=5), "minibatches": Batches(size=5, piece=3, seed=7)}


class KilledError(Exception):
    """Stands for the end of the process."""


def run(network: Network, *, folder: Path | None, kill_at: int | None = None, **settings: object) -> Training:
    settings = {"decay": DECAY, "execution": Execution(channels_last=True)} | settings
    checkpoints = Checkpoints(folder=folder, updates=2) if folder else None
    if kill_at is None:
        return train(network, DATA, checkpoints=checkpoints, **settings)
    calls = []

    def count(*_: object) -> None:
        calls.append(1)
        if len(calls) > kill_at:
            raise KilledError

    handle = network.head.register_forward_pre_hook(count)
    try:
        return train(network, DATA, checkpoints=checkpoints, **settings)
    finally:
        handle.remove()


def same(one: Network, other: Network) -> None:
    theirs = other.module().state_dict()
    for name, value in one.module().state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("batches", BATCHES)
@pytest.mark.parametrize("rule", SETTINGS)
def test_killed_anywhere_and_resumed(tmp_path: Path, rule: str, batches: str):
    settings = SETTINGS[rule] | {"batches": BATCHES[batches]}
    whole = normalised()
    expected = run(whole, folder=None, **settings)
    passes = []
    handle = (counted := normalised()).head.register_forward_pre_hook(lambda *_: passes.append(1))
    run(counted, folder=None, **settings)
    handle.remove()
    # the six cases take turns, so that together they are killed at every moment
    turn = 2 * list(SETTINGS).index(rule) + list(BATCHES).index(batches)
    for kill_at in range(turn, len(passes), 6):
        folder = tmp_path / str(kill_at)
        with pytest.raises(KilledError):
            run(normalised(), folder=folder, kill_at=kill_at, **settings)
        torch.manual_seed(kill_at)
        resumed = normalised()
        found = run(resumed, folder=folder, **settings)
        same(resumed, whole)
        assert found.trajectory.as_json() == expected.trajectory.as_json()
        assert (found.steps, found.outcome, found.explanation) == (11, expected.outcome, expected.explanation)
        assert (found.epochs, found.best_step) == (expected.epochs, expected.best_step)


def test_killed_again_and_again(tmp_path: Path):
    settings = SETTINGS["adam"] | {"batches": BATCHES["minibatches"], "decay": StandardDecay(1e-3)}
    whole = normalised()
    expected = run(whole, folder=None, **settings)
    kills = 0
    while True:
        resumed = normalised()
        try:
            found = run(resumed, folder=tmp_path, kill_at=9, **settings)
        except KilledError:
            kills += 1
            continue
        break
    assert kills >= 2
    same(resumed, whole)
    assert found.trajectory.as_json() == expected.trajectory.as_json()


LONG = {
    "decay": DECAY,
    "batches": Batches(size=5),
    "descent": Descent(rule="adam", rate=1e-3, steps_max=200, tolerance=0.0, looks=5),
}
CHILD = """
import sys
from pathlib import Path
from networks.test_checkpoint import LONG, normalised, random_images, train
from deepcollapse.networks.checkpoint import Checkpoints
train(normalised(), random_images(), checkpoints=Checkpoints(folder=Path(sys.argv[1]), seconds=0.0), **LONG)
"""


def test_the_process_itself_is_killed(tmp_path: Path):
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=os.environ | {"PYTHONPATH": path})
    deadline = time.monotonic() + 300
    while (saved := read_checkpoint_step(tmp_path)) is None or saved < 20:
        assert process.poll() is None, "ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert read_checkpoint_step(tmp_path) < 200
    whole, resumed = normalised(), normalised()
    train(whole, DATA, **LONG)
    train(resumed, DATA, checkpoints=Checkpoints(folder=tmp_path), **LONG)
    same(resumed, whole)


def read_checkpoint_step(folder: Path) -> int | None:
    index = folder / "checkpoint.json"
    return json.loads(index.read_text())["values"]["step"] if index.exists() else None


def test_a_finished_run_is_read_not_repeated(tmp_path: Path):
    settings = SETTINGS["adam"] | {"batches": BATCHES["full"]}
    first, second = normalised(), normalised()
    expected = run(first, folder=tmp_path, **settings)
    found = run(second, folder=tmp_path, kill_at=0, **settings)
    same(first, second)
    assert found.trajectory.as_json() == expected.trajectory.as_json()
    assert (found.outcome, found.explanation, found.steps) == (expected.outcome, expected.explanation, expected.steps)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_best_network_is_kept(tmp_path: Path):
    network = plain()
    descent = Descent(rate=0.1, steps_max=20, looks=21, spacing="regular", schedule=WarmUp(steps=20))
    seen = {}
    found = train(
        network,
        DATA,
        decay=DECAY,
        descent=descent,
        checkpoints=Checkpoints(folder=tmp_path),
        look=lambda step, net: seen.update({step: [p.detach().clone() for p in net.parameters()]}),
    )
    best = int(found.trajectory.steps[np.argmin(found.trajectory.objective)])
    fresh = plain(seed=1)
    assert load_best(tmp_path, fresh) == best == found.best_step
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), seen[best], strict=True))


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_checkpoint(tmp_path, {"a": torch.ones(2)}, {"step": 1})
    real, calls = Path.replace, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) > failing.after:
            raise KilledError
        return real(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    for after in (0, 1):
        failing.after = after
        calls.clear()
        with pytest.raises(KilledError):
            write_checkpoint(tmp_path, {"a": torch.zeros(2)}, {"step": 2})
        tensors, values = read_checkpoint(tmp_path)
        assert (tensors["a"].tolist(), values) == ([1.0, 1.0], {"step": 1})
    failing.after = 2
    calls.clear()
    write_checkpoint(tmp_path, {"a": torch.zeros(2)}, {"step": 2})
    assert read_checkpoint(tmp_path)[0]["a"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kept", [0, 7, 200])
@pytest.mark.parametrize("pattern", ["*.json", "*.safetensors"])
def test_damaged_files(tmp_path: Path, pattern: str, kept: int):
    write_checkpoint(tmp_path, {"a": torch.ones(200)}, {"step": 1, "note": "x" * 300})
    file = next(tmp_path.glob(pattern))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(
        InvalidInputError, match=r"checkpoint: expected checkpoint.json and the tensors .*delete the fold"
    ):
        read_checkpoint(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, bytes]]:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, {"a": torch.arange(20.0), "b": torch.ones(3, 2)}, {"step": 1, "looks": [[0, 2.5]]})
    return folder, {file: file.read_bytes() for file in folder.iterdir()}


@settings(max_examples=200)
@given(st.data())
def test_no_changed_byte_is_taken_for_a_checkpoint(written: tuple[Path, dict[Path, bytes]], data: st.DataObject):
    folder, files = written
    before = read_checkpoint(folder)
    file = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[file])
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(bytes(content))
    try:
        tensors, values = read_checkpoint(folder)
    except InvalidInputError:
        pass
    else:  # spaces, the name of the digest's key, the same name written otherwise
        assert values == before[1]
        assert all(torch.equal(tensors[key], value) for key, value in before[0].items())
    finally:
        file.write_bytes(files[file])


@pytest.mark.parametrize(
    "text", ["[" * 10**5, "[]", "{}", '{"version": 1}', '{"version": 1, "tensors": 3, "values": {}}', "\xff"]
)
def test_other_indexes(tmp_path: Path, text: str):
    (tmp_path / "checkpoint.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInputError, match=r"checkpoint: expected checkpoint.json and the tensors it names"):
        read_checkpoint(tmp_path)


def test_other_versions(tmp_path: Path):
    (tmp_path / "checkpoint.json").write_text('{"version": 99}')
    with pytest.raises(InvalidInputError, match=r"checkpoint: expected version 1 in .*, but found 99; finish the run"):
        read_checkpoint(tmp_path)


def test_a_checkpoint_of_another_run(tmp_path: Path):
    settings = SETTINGS["adam"] | {"batches": BATCHES["full"]}
    run(normalised(), folder=tmp_path, **settings)
    with pytest.raises(
        InvalidInputError, match=r"checkpoint: expected a run with descent Descent.*take another folder"
    ):
        run(normalised(), folder=tmp_path, **(settings | SETTINGS["plain"]))
    with pytest.raises(InvalidInputError, match=r"checkpoint: expected a run with decay UfmDecay"):
        run(normalised(), folder=tmp_path, **(settings | {"decay": UfmDecay(1e-3, 1e-3)}))
    with pytest.raises(InvalidInputError, match=r"checkpoint: expected a run with data "):
        train(
            normalised(),
            random_images(seed=1),
            decay=DECAY,
            execution=Execution(channels_last=True),
            checkpoints=Checkpoints(folder=tmp_path),
            **settings,
        )
    with pytest.raises(InvalidInputError, match=r"another name or shape for backbone.0.bias; build the network"):
        run(plain(dtype=torch.float32), folder=tmp_path, **settings)


def test_no_checkpoint(tmp_path: Path):
    assert read_checkpoint(tmp_path) is None
    with pytest.raises(
        InvalidInputError, match=r"checkpoint: expected one with a look in .*, but found none; train fir"
    ):
        load_best(tmp_path, plain())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": -1.0}, r"seconds: expected a number >= 0, but found -1.0"),
        ({"updates": 0}, r"updates: expected at least 1, but found 0; None takes the clock"),
    ],
)
def test_bad_intervals(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        Checkpoints(folder=tmp_path, **changes)


@pytest.mark.parametrize("key", ["settings", "stream", "random", "looks", "step", "best"])
def test_a_checkpoint_that_lacks_something(tmp_path: Path, key: str):
    settings = SETTINGS["adam"] | {"batches": BATCHES["full"]}
    run(normalised(), folder=tmp_path, **settings)
    file = tmp_path / "checkpoint.json"
    index = json.loads(file.read_text())
    del index["values"][key], index["digest"]
    file.write_text(json.dumps(index))
    with pytest.raises(InvalidInputError, match=r"checkpoint: expected all that a run consists of, but found KeyError"):
        run(normalised(), folder=tmp_path, **settings)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_torch_does_not_take(seed: int):
    with pytest.raises(InvalidInputError, match=r"seed: expected 0 to 2\^63 - 1, but found"):
        Batches(seed=seed)
