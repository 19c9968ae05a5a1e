"""Specifications: those that come with the package, overrides, and every kind of mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import shipped_specs, train_spec
from deepcollapse.networks import StandardDecay, UfmDecay
from deepcollapse.networks.schedule import Cosine, WarmUp
from deepcollapse.ufm import collapse

SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "digits": (64,)}


@pytest.mark.parametrize("name", shipped_specs())
def test_shipped_ones_build_their_network(name: str):
    spec = train_spec(name)
    network = spec.network(SHAPES[name.split("-")[0]], classes=10)
    assert (network.head.layers, network.head.weights[0].shape[1]) == (spec.head.layers, spec.head.width)
    assert train_spec(spec.as_json()) == spec
    json.dumps(spec.as_json(), allow_nan=False)


@pytest.mark.parametrize("name", [name for name in shipped_specs() if "standard" not in name])
def test_shipped_ones_have_the_bound_of_the_paper(name: str):
    spec = train_spec(name)
    assert isinstance(spec.decay, UfmDecay)
    network = spec.network(SHAPES[name.split("-")[0]], classes=10)
    problem = spec.decay.problem(network.head, spec.data.per_class).replace(activation="linear")
    wanted = {3: 0.242197705457, 4: 0.251230746413}[spec.head.layers]
    assert collapse(problem).loss == pytest.approx(wanted, rel=2e-5)  # 1.4286e-5 is rounded by as much


def test_there_is_one_for_every_experiment_at_both_sizes():
    sets, whats = ("mnist", "cifar10"), ("resnet", "standard", "relu")
    assert set(shipped_specs()) >= {f"{s}-{w}-{size}" for s in sets for w in whats for size in ("small", "full")}


def test_gain_is_in_units_of_torch_layers():
    spec = train_spec("digits", ["head.gain=2", "head.width=400", "head.layers=2"])
    weight = spec.network((64,), classes=10).head.weights[0]
    assert weight.std().item() == pytest.approx(2 * torch.nn.Linear(400, 400, bias=False).weight.std().item(), rel=0.02)


def test_overrides_take_toml_and_plain_words():
    schedule = "descent.schedule={kind='warm-up', steps=5, then={kind='cosine', floor=0.1}}"
    overrides = ["descent.rule=adam", "descent.rate=1e-3", "backbone.hidden=[3, 4]", "data.path=/some/where", schedule]
    found = train_spec("digits", [*overrides, "decay={kind='standard', weights=0.1}"])
    assert (found.descent.rule, found.descent.rate, found.backbone.hidden) == ("adam", 1e-3, (3, 4))
    assert found.decay == StandardDecay(0.1)
    assert found.descent.schedule == WarmUp(steps=5, then=Cosine(floor=0.1))
    assert found.data.path == Path("/some/where")


def test_a_file(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\n[data]\nsource = "digits"\n[decay]\nkind = "ufm"\nweights = 1e-2\nfeatures = 1e-4\n'
    )
    assert train_spec(file).name == "mine"
    file.write_text("name = ")
    with pytest.raises(InvalidInputError, match=r"mine.toml: expected TOML, but found: Invalid value .*; correct it"):
        train_spec(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match=r"mine.toml: expected TOML, but found"):
        train_spec(file)


@pytest.mark.parametrize("text", ["a = " + "[" * 10**5, "a = " + "9" * 10**4, "a = 1\na = 2", "\x00", "[a\n"])
def test_documents_that_are_no_toml(text: str, tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"mine.toml: expected TOML, but found: .*; correct it"):
        train_spec(file)


@settings(max_examples=100)
@given(st.data())
def test_a_changed_document_is_an_error_of_ours_or_a_specification(document: Path, data: st.DataObject):
    text = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    document.write_bytes(bytes(text[: data.draw(st.integers(0, len(text)))]))
    try:
        found = train_spec(document)
    except InvalidInputError:
        return
    assert train_spec(found.as_json()) == found


TEXT = """name = "mine"
seed = 3
[data]
source = "file"
classes = [0, 1]
[backbone]
kind = "mlp"
hidden = [16, 8]
[head]
gain = 2.0
[decay]
kind = "ufm"
weights = 1e-2
features = 1e-4
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec") / "mine.toml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("head.wdth=16", r"^head.wdth: expected no such key, but found 16; check its spelling$"),
        ("hed.width=16", r"^hed: expected no such key"),
        ("head.width=wide", r"^head.width: expected a valid integer, .*but found 'wide'; correct it$"),
        ("head.width=1.5", r"^head.width: expected a valid integer.* but found 1.5"),
        ("head.activation=tanh", r"^head.activation: expected 'linear' or 'relu', but found 'tanh'"),
        ("data.source=imagenet", r"^data.source: expected 'mnist'.* but found 'imagenet'"),
        ("decay.kind=l1", r"^decay: .*'l1'.*'ufm', 'standard'"),
        ("decay={kind='ufm', weights=1}", r"^decay.ufm.features: expected a value, but found none; add it$"),
        ("decay.weights=-1", r"decay of weights: expected a finite number > 0, but found -1"),
        ("descent.rate=0", r"^descent: rate: expected a finite number > 0, but found 0"),
        ("descent.schedule.kind=wave", r"descent.schedule"),
        ("dtype=float16", r"^dtype: expected 'float32' or 'float64', but found 'float16'"),
        ("backbone.kind=vgg", r"^backbone: .*'vgg'.*'mlp', 'conv', 'resnet20', 'factory'"),
        ("head.gain=0", r"^head.gain: expected greater than 0, but found 0"),
        ("head.gain=inf", r"^head.gain: expected a finite number, but found inf"),
        ("analysis.noise=[0.1, -1]", r"^analysis.noise.1: expected greater than or equal to 0, but found -1"),
        ("analysis.noise=[1e300]", r"^analysis.noise.0: expected less than or equal to 1000000, but found 1e\+300"),
        ("data.per_class=0", r"^data.per_class: expected greater than or equal to 1, but found 0"),
        ("analysis.noise=[nan]", r"^analysis.noise.0: expected a finite number, but found nan"),
        ("data.imbalance=nan", r"^data.imbalance: expected a finite number, but found nan"),
        ("data.imbalance=0.5", r"^data.imbalance: expected greater than or equal to 1, but found 0.5"),
        ("data.draw=-1", r"^data.draw: expected greater than or equal to 0, but found -1"),
        ("seed=9223372036854775808", r"^seed: expected less than 9223372036854775808, but found"),
        ("seed=-1", r"^seed: expected greater than or equal to 0, but found -1"),
        ("no assignment", r"^override: expected part.key=value, but found 'no assignment'"),
        ("head.width=" + "[" * 10**5, r"^head.width: expected a valid integer"),
        ("=3", r"^override: expected part.key=value, but found '=3'"),
        ("name.first=3", r"^override: expected a table at name, but found .*; drop .first"),
    ],
)
def test_mistakes_are_named(override: str, message: str):
    with pytest.raises(InvalidInputError, match=message):
        train_spec("digits", [override])


def features_of(found: Callable[[torch.Tensor], Any]) -> Callable[..., nn.Module]:
    class Module(nn.Module):
        def forward(self, images: torch.Tensor) -> Any:
            return found(images)

    return lambda shape, **_: Module()


wide = features_of(lambda images: images[:, :11])
one_row = features_of(lambda images: images[0, :10])
maps = features_of(lambda images: images[:, :10, None, None])
pair = features_of(lambda images: (images, images))
unfit = features_of(lambda images: images @ images)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wide", r"\(2, 11\)"),
        ("one_row", r"\(10,\)"),
        ("maps", r"\(2, 10, 1, 1\)"),
        ("pair", "tuple"),
        ("unfit", "RuntimeError"),
    ],
)
def test_a_backbone_returns_features_of_the_width_of_the_head(name: str, found: str):
    own = f"backbone={{kind='factory', factory='experiments.test_train_spec:{name}'}}"
    spec = train_spec("digits", [own, "head.width=10"])
    expected = rf"expected features of shape \(2, 10\) from two images of shape \(64,\), but found {found}.*head.width"
    with pytest.raises(InvalidInputError, match=expected):
        spec.network((64,), classes=10)


def test_the_seed_decides_what_a_factory_draws_from_torchs_own_numbers():
    overrides = ["backbone={kind='factory', factory='experiments.test_backbones:from_torchs_numbers'}", "head.width=5"]
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed + len(weights))
        before = torch.get_rng_state()
        network = train_spec("mnist-mlp-small", [*overrides, f"seed={seed}"]).network((1, 6, 6), classes=10)
        assert torch.equal(torch.get_rng_state(), before)
        weights.append(network.backbone[1].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_device_holds_numbers():
    with pytest.raises(InvalidInputError, match=r"device: expected one that holds float32, but found 'meta'"):
        train_spec("digits", ["device=meta"]).network((64,), classes=10)


def test_all_mistakes_at_once():
    with pytest.raises(InvalidInputError, match=r"head.wdth: .*; seed: "):
        train_spec("digits", ["head.wdth=16", "seed=x"])


def test_no_such_specification():
    with pytest.raises(InvalidInputError, match=r"spec: expected a TOML file or one of cifar10-.*, but found 'mnits'"):
        train_spec("mnits")


def test_powers_are_numbers_wherever_a_specification_has_one():
    entries = ["decay.weights=2^-10", "decay.features=2^-14", "head.width=2^5", "analysis.noise=[2^-3,1]"]
    spec = train_spec("digits", entries)
    assert (spec.decay.weights, spec.decay.features) == (2.0**-10, 2.0**-14)
    assert (spec.head.width, spec.analysis.noise) == (32, (0.125, 1.0))
    document = spec.as_json() | {"name": "2^3", "seed": "2^4"}
    assert (train_spec(document).name, train_spec(document).seed) == ("2^3", 16)


@pytest.mark.parametrize("value", ["10^999", "0^-1", "-8^0.5"])
def test_a_power_without_a_value_is_named_by_its_key(value):
    with pytest.raises(InvalidInputError, match=r"^decay.weights: expected a finite real number, but found '.*; write"):
        train_spec("digits", [f"decay.weights={value}"])
