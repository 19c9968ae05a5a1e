"""Every option that takes a number: powers are understood, and absurd numbers are one line and exit code 2."""

import pytest

from deepcollapse.cli.app import run

SIZES = {"classes": "4", "layers": "2"}
MODEL = ("classes", "layers", "samples", "width", "decay")
OPTIONS = {
    "theory": MODEL,
    "spectrum": MODEL,
    "landscape": (*MODEL, "restarts", "rank", "seed"),
    "simulate": (
        *MODEL,
        *("seeds", "lr", "beta", "tol", "steps-max", "init-scale", "init-distance", "audit", "watch"),
    ),
}
OTHERS = {
    ("measure", "none.npz"): ("classes", "rtol"),
    ("sweep", "none.toml", "--store", "store"): ("lease", "workers", "threads", "hours", "memory"),
    ("demo", "--out", "demo"): ("seeds",),
    ("certify", "--classes", "3", "--layers", "2"): ("gap", "minutes", "workers"),
    ("atlas", "--build", "atlas.jsonl"): ("restarts", "workers"),
}
CALLS = [((command,), option) for command, options in OPTIONS.items() for option in options]
CALLS += [(command, option) for command, options in OTHERS.items() for option in options]
ABSURD = ["nan", "-inf", "1e400", "2^9999", "9" * 5000, "１２", "1_000", "1.5.2", "", "ten"]
COUNTED = {
    "theory": ("classes", "layers"),
    "landscape": ("classes", "layers", "restarts", "rank"),
    "simulate": ("classes", "layers", "seeds", "audit", "watch"),
}


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Calls a command that must fail for one option; its line on standard error."""
    monkeypatch.chdir(tmp_path)

    def called(command, option, value):
        sizes = SIZES if command[0] in OPTIONS else {}
        options = [f"--{name}={text}" for name, text in (sizes | {option: value}).items()]
        assert run([*command, *options]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    return called


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: value[:12])
@pytest.mark.parametrize(("command", "option"), CALLS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_what_is_no_number_is_named(command, option, value, refused):
    assert f"deepcollapse: {option}: expected a " in refused(command, option, value)


@pytest.mark.parametrize("value", ["99999999999999999999", "10^12", "1e18", "2^62"])
@pytest.mark.parametrize(("command", "option"), [(name, option) for name in COUNTED for option in COUNTED[name]])
def test_a_size_beyond_any_machine_is_one_line(command, option, value, refused):
    assert option in refused((command,), option, value)


@pytest.mark.parametrize("value", ["-0.0", "-0", "1e-400"])
def test_a_zero_in_disguise_is_out_of_range_all_the_same(value, refused):
    assert "classes: expected a whole number >= 2" in refused(("theory",), "classes", value)
    assert "decay: expected a finite number > 0" in refused(("theory",), "decay", value)


@pytest.mark.parametrize(
    "options",
    [
        ("--lr", "2^-2", "--tol", "1e1^-5", "--init-scale", "2^-1", "--steps-max", "2^4", "--seeds", "2^1"),
        ("--optimiser", "momentum", "--beta", "2^-1", "--lr", "2^-6", "--seeds", "1", "--steps-max", "4"),
        ("--init", "near-dnc", "--init-distance", "2^-6", "--seeds", "1", "--steps-max", "4", "--samples", "2^1"),
    ],
)
def test_powers_are_numbers_in_every_option(options, capsys):
    assert run(["simulate", "--classes", "3", "--layers", "1", "--decay", "2^-5", "--engine", "torch", *options]) == 0
    assert capsys.readouterr().err == ""
