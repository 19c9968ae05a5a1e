import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import logits_figure
from deepcollapse.ufm import Problem, structure, structures
from plot.drawn import cut_off, overlapping

PROBLEM = Problem(classes=10, samples=5, layers=2, width=70)


def images(figure):
    return [image for axes in figure.axes for image in axes.get_images()]


def test_structures_show_their_logits_and_names():
    shown = [structure(name, PROBLEM) for name in ("simplex", "paired")]
    figure = logits_figure(shown)
    for image, one in zip(images(figure), shown, strict=True):
        np.testing.assert_array_equal(image.get_array(), one.logits)
    titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
    assert titles == ["simplex, rank 9", "paired, rank 5"]


@settings(max_examples=6)
@given(sizes=st.lists(st.integers(2, 30), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_one_scale_centred_at_zero(sizes, seed):
    generator = np.random.default_rng(seed)
    matrices = [generator.normal(size=(size, size)) for size in sizes]
    figure = logits_figure(matrices, [f"panel {index}" for index in range(len(sizes))])
    limit = max(np.abs(matrix).max() for matrix in matrices)
    assert len(images(figure)) == len(sizes)
    for image, matrix in zip(images(figure), matrices, strict=True):
        np.testing.assert_array_equal(image.get_array(), matrix)
        assert image.get_clim() == (-limit, limit)
    color = images(figure)[0].cmap
    middle = np.array(color(0.5)[:3])
    assert middle.min() > 0.95  # zero is white


def test_zero_logits_have_a_scale():
    assert images(logits_figure([np.zeros((2, 2))]))[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize("count", [1, 3, 13])
def test_labels_do_not_touch(count):
    figure = logits_figure(list(structures(PROBLEM))[:count])
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_many_classes_get_few_labels():
    figure = logits_figure([np.eye(100)])
    assert len(figure.axes[0].get_xticks()) < 12
    assert overlapping(figure) == []


def test_refuses_what_it_cannot_show():
    with pytest.raises(InvalidInputError, match="panels: expected at least one, but found none"):
        logits_figure([])
    with pytest.raises(InvalidInputError, match="titles: expected 2, one per panel, but found 1"):
        logits_figure([np.eye(2), np.eye(2)], ["one"])
    with pytest.raises(InvalidInputError, match="panels: expected finite logits, but found NaN or infinity in panel 1"):
        logits_figure([np.eye(2), np.full((2, 2), np.nan)])


def test_the_picture_of_the_readme_is_drawn(tmp_path, monkeypatch):
    root = Path(__file__).parents[2]
    target = tmp_path / "logits.png"
    monkeypatch.setattr(sys, "argv", ["logits_picture.py", str(target)])
    runpy.run_path(str(root / "examples" / "logits_picture.py"))
    width, height = imread(target).shape[1::-1]
    assert 1100 < width < 1300
    assert 450 < height < 650
    assert target.stat().st_size < 100_000
    assert (root / "docs" / "images" / "logits.png").stat().st_size < 100_000
