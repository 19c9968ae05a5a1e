"""Sizes that no machine holds are refused in one line that names the option, before anything is allocated."""

import itertools
import tracemalloc

import pytest

from deepcollapse.cli.app import run
from deepcollapse.landscape import search
from deepcollapse.ufm import Problem

HUGE = ("10^6", "10^9", "10^12")
SMALL = {"classes": "4", "layers": "2"}
QUICK = {"seeds": "2", "steps-max": "10"}
TRAINED = [{name: size} for name in ("classes", "layers", "width") for size in HUGE]
TRAINED += [{"samples": size} for size in HUGE[1:]]
TRAINED += [
    {one: size, other: size} for one, other in itertools.combinations((*SMALL, "samples", "width"), 2) for size in HUGE
]
TRAINED += [{"activation": "relu", "width": size} for size in HUGE]
TRAINED += [{"seeds": size} for size in HUGE[1:]] + [{"steps-max": size, "width": size} for size in HUGE]
LOGITS = [{name: size} for name in ("classes", "layers") for size in HUGE[1:]]
LOGITS += [dict.fromkeys(("classes", "layers", "samples", "width"), size) for size in HUGE[1:]]
CALLS = [
    *(("simulate", SMALL | QUICK | sizes, sizes) for sizes in TRAINED),
    *(("theory", SMALL | sizes, sizes) for sizes in [*LOGITS, {"classes": "10^6"}, {"width": "10^12"}]),
    *(("spectrum", SMALL | {"at": "dnc"} | sizes, sizes) for sizes in [*LOGITS, {"width": "10^12"}]),
    *(("landscape", SMALL | {"restarts": "1"} | sizes, sizes) for sizes in [*LOGITS, {"classes": "10^6"}]),
    *(("landscape", SMALL | {"restarts": size}, {"restarts": size}) for size in HUGE[1:]),
]


@pytest.mark.parametrize(
    ("command", "options", "sizes"),
    CALLS,
    ids=[f"{name} {' '.join(sizes)} {i}" for i, (name, _, sizes) in enumerate(CALLS)],
)
def test_absurd_sizes(command: str, options: dict[str, str], sizes: dict[str, str], capsys: pytest.CaptureFixture):
    assert run([command, *itertools.chain(*((f"--{name}", value) for name, value in options.items()))]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "Unable to allocate" not in captured.err
    assert any(f" {name}: expected" in captured.err for name in (*sizes, "multiplicities")), captured.err


def test_a_search_draws_its_starts_one_by_one():
    """A million restarts of each rank take no memory before they are descended from."""

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    tracemalloc.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            search(Problem(classes=8, layers=2), restarts=10**6, progress=stop)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
