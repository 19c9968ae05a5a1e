from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.plot.paper.settings import SIMULATION, grouped, in_words, shared, told_apart

ROWS = [
    {"width": width, "init_scale": scale, "lr": 1.0 / scale, "seed": seed, "beta": None}
    for width in (8, 4)
    for scale in (2.0, 0.5)
    for seed in (0, 1)
]


def test_settings_are_told_apart_by_as_few_columns_as_needed():
    assert told_apart(ROWS, ("init_scale", "lr", "beta"), along="width") == ("init_scale",)
    assert told_apart(ROWS, ("lr", "init_scale"), along="width") == ("lr",)
    assert told_apart(ROWS[:2], SIMULATION) == ()


def test_what_follows_from_the_axis_tells_nothing_apart():
    rows = [{"width": width, "lr": 1.0 / width} for width in (4, 4, 8)]
    assert told_apart(rows, ("width", "lr"), along="width") == ()
    assert told_apart(rows, ("width", "lr")) == ("width",)


def test_groups_have_names_and_an_order():
    found = grouped(ROWS, ("init_scale",))
    assert [label for label, _ in found] == ["init scale 0.5", "init scale 2"]
    assert [len(rows) for _, rows in found] == [4, 4]
    assert grouped(ROWS, ()) == [("", ROWS)]


def test_missing_values_come_last():
    found = grouped([{"beta": None}, {"beta": 0.9}], ("beta",))
    assert [label for label, _ in found] == ["beta 0.9", "no beta"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_groups_are_a_partition_into_equal_settings(values):
    rows = [dict(zip("abc", value, strict=True)) for value in values]
    columns = told_apart(rows, ("b", "c"), along="a")
    groups = [group for _, group in grouped(rows, columns)]
    assert sorted(map(str, rows)) == sorted(str(row) for group in groups for row in group)
    for group in groups:
        places = {}
        for row in group:
            assert places.setdefault(row["a"], (row["b"], row["c"])) == (row["b"], row["c"])


def test_settings_in_words():
    row = {"classes": 10, "layers": 2, "decay": 2.0**-9, "optimiser": "gd", "beta": None, "per_class": 500}
    assert shared([row], row) == "K = 10, L = 2, λ = 2⁻⁹, gradient descent, 500 per class"
    assert shared([row, row | {"layers": 3}], row) == "K = 10, λ = 2⁻⁹, gradient descent, 500 per class"
    assert [in_words("backbone", "resnet20"), in_words("init", "orthogonal")] == ["ResNet-20", "orthogonal"]
