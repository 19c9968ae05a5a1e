import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import LogitMatrix, endpoints_figure
from deepcollapse.ufm import Problem, collapse, structure
from plot.drawn import cut_off, drawn_texts, overlapping

PROBLEM = Problem(classes=10, samples=5, layers=2, width=70)
SIMPLEX = LogitMatrix(logits=collapse(PROBLEM).logits, name="Simplex", about="rank 9")
PAIRED = LogitMatrix(logits=structure("paired", PROBLEM).logits, name="Paired", about="rank 5")


def test_matrices_share_a_scale_centred_at_zero():
    figure = endpoints_figure([SIMPLEX, PAIRED], remarks=["64 runs."])
    images = [axes.images[0] for axes in figure.axes[:2]]
    for image, matrix in zip(images, (SIMPLEX, PAIRED), strict=True):
        np.testing.assert_array_equal(image.get_array(), matrix.logits)
        assert image.get_clim() == (-np.abs(PAIRED.logits).max(), np.abs(PAIRED.logits).max())
    assert figure.get_supxlabel() == "64 runs."


def test_cells_show_the_logits_in_grey_print_too():
    numbers = [text.get_text() for text in endpoints_figure([PAIRED]).axes[0].texts if text.get_text() != "rank 5"]
    assert numbers[:3] == ["7.0", "−7.0", "0"]
    assert len(numbers) == 100


def test_many_classes_have_no_numbers():
    big = LogitMatrix(logits=np.eye(13), name="big")
    assert len(endpoints_figure([big]).axes[0].texts) == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nothing_overlaps_or_is_cut_off(count):
    figure = endpoints_figure([SIMPLEX, PAIRED, PAIRED][:count])
    assert cut_off(figure) == []
    titles = {"Simplex", "Paired", "rank 9", "rank 5"}
    assert [pair for pair in overlapping(figure) if set(pair) & titles] == []
    assert titles & {text for text, _ in drawn_texts(figure)}


def test_one_to_three_finite_matrices_are_drawn():
    for count in (0, 4):
        with pytest.raises(InvalidInputError, match=f"ends: expected one to three matrices, but found {count}"):
            endpoints_figure([SIMPLEX] * count)
    with pytest.raises(InvalidInputError, match="bad: expected finite logits, but found NaN or infinity"):
        LogitMatrix(logits=np.array([[np.nan]]), name="bad")
