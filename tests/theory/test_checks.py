"""Every check can fail: a certificate whose verdict or any number is changed is not agreed to."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deepcollapse.theory.baseline import baseline
from deepcollapse.theory.t1 import t1
from deepcollapse.theory.t2 import t2
from deepcollapse.theory.t3 import t3
from deepcollapse.theory.t4 import t4
from deepcollapse.theory.t5 import t5
from deepcollapse.theory.t6 import t6
from deepcollapse.theory.t7 import t7
from deepcollapse.ufm import Problem

SMALL = Problem(classes=4, layers=2, samples=2, decay=2.0**-6)
CERTIFICATES = {
    "T1, K = 4, L = 2": lambda: t1(SMALL),
    "T1, K = 6, L = 3": lambda: t1(Problem(classes=6, layers=3)),
    "T1, L = 1": lambda: t1(Problem(classes=4, layers=1)),
    "T2": lambda: t2(Problem(classes=6, layers=2), layers_max=6),
    "T3": lambda: t3(Problem(classes=6, layers=2), depths=(1, 3, 64)),
    "T3, unnamed": lambda: t3(Problem(classes=5, layers=2, width=4), depths=(2, 5)),
    "T4": lambda: t4(Problem(classes=4, layers=3, decay=2.0**-5)),
    "T4, K = 3": lambda: t4(Problem(classes=3, layers=2, decay=2.0**-8)),
    "T4, many classes": lambda: t4(Problem(classes=60, layers=3)),
    "T5": lambda: t5(Problem(classes=7, layers=2, width=9)),
    "T6": lambda: t6(SMALL),
    "T7": lambda: t7(Problem(classes=10, layers=5, activation="relu")),
    "T7, odd": lambda: t7(Problem(classes=11, layers=3, activation="relu", width=16)),
    "baseline": lambda: baseline(Problem(classes=4, layers=1, samples=2)),
}
SETTINGS = {"layers_max", "schedule"}


def changed(value: object) -> Iterator[object]:
    """The same numbers with exactly one of them wrong, once for each."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in SETTINGS:
                yield from ({**value, key: other} for other in changed(entry))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from (type(value)((*value[:index], other, *value[index + 1 :])) for other in changed(entry))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield 1.01 * value + (1e-3 if abs(value) < 1e-9 else 0.0)
    elif isinstance(value, str):
        yield value + " "
    elif hasattr(value, "tolist"):
        yield from changed(value.tolist())


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_wrong_number_or_verdict_is_found(name):
    certificate = CERTIFICATES[name]()
    assert certificate.check().agrees is True
    for holds in {True, False, None} - {certificate.holds}:
        assert replace(certificate, holds=holds).check().agrees is False
    for numbers in changed(dict(certificate.numbers)):
        assert replace(certificate, numbers=numbers).check().agrees is False, numbers
