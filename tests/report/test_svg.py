import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
from matplotlib.colors import is_color_like

from deepcollapse.plot import logits_figure, losses_figure, singular_values_figure, trajectory_figure
from deepcollapse.report.svg import THEMED, inline_svg, svg

LEVELS = {"simplex": 0.0907, "paired": 0.08, "T5": 0.0814}


def figures():
    step = np.arange(20)
    return [
        logits_figure([np.eye(4), -np.eye(3)], ["one", "other"]),
        losses_figure(LEVELS, np.linspace(0.08, 0.09, 7), bound=0.0907),
        singular_values_figure({"a": np.array([3.0, 1e-5])}),
        trajectory_figure(step, np.exp(-step / 9.0), np.ones((20, 3)), bound=0.5, best=("T5", 0.4)),
    ]


def test_equal_figures_give_equal_text():
    for one, other in zip(figures(), figures(), strict=True):
        assert svg(one) == svg(other) == svg(one)


def test_other_data_give_other_text():
    losses = [{"paired": 0.08}, {"paired": 0.0801}]
    assert len({svg(losses_figure(one, bound=0.0907)) for one in losses}) == 2


def test_carries_no_date_or_version():
    for text in map(svg, figures()):
        assert "<metadata" not in text
        assert matplotlib.__version__ not in text
        assert not re.search(r"20\d\d-\d\d", text)


def test_text_stays_text():
    document = ET.fromstring(svg(figures()[1]))
    words = {node.text for node in document.iter("{http://www.w3.org/2000/svg}text")}
    assert {"simplex", "paired", "T5", "DNC bound"} <= words


def test_inline_names_are_the_figures_own():
    for figure in figures():
        text = inline_svg(figure, name="fig-2", label="what it shows")
        document = ET.fromstring(text)
        names = [node.get("id") for node in document.iter() if node.get("id")]
        assert names
        assert all(name.startswith("fig-2-") for name in names)
        used = re.findall(r'(?:url\(|href=")#([^")]+)', text)
        assert set(used) <= set(names)
        assert document.get("role") == "img"
        assert document.get("aria-label") == "what it shows"
        assert "http" not in text


def test_inline_label_is_escaped():
    text = inline_svg(figures()[0], name="a", label='"><script>alert(1)</script>')
    assert ET.fromstring(text).get("aria-label") == '"><script>alert(1)</script>'


def test_inline_colours_follow_the_page():
    text = inline_svg(figures()[1], name="a", label="b")
    assert all(is_color_like(color) for color in THEMED)
    assert not any(color in text for color in THEMED)
    assert {"var(--ink)", "var(--card)", "var(--blue)", "var(--vermilion)"} <= set(re.findall(r"var\(--\w+\)", text))
