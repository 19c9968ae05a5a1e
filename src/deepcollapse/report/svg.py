"""A figure as SVG text: the same bytes for the same figure, and a form that fits inside a page."""

import io
import re
from typing import Any, Final

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from deepcollapse.plot.style import BLUE, FAINT, GREEN, INK, PAPER, RULE, VERMILION, style

__all__ = ["THEMED", "inline_svg", "svg"]

THEMED = {
    INK: "ink",
    FAINT: "faint",
    RULE: "rule",
    PAPER: "card",
    BLUE: "blue",
    VERMILION: "vermilion",
    GREEN: "green",
}
"""Colours of the figures -> CSS variables of the page, which give them a value for dark screens too."""

_SETTINGS: Final[Any] = {"svg.fonttype": "none", "svg.hashsalt": "deepcollapse"}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def svg(figure: Figure) -> str:
    """The figure as an SVG document without date, version or random names: equal figures give equal text.

    Text stays text, so that it can be searched and read aloud.
    """
    text = io.StringIO()
    with style(), matplotlib.rc_context(_SETTINGS):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    return text.getvalue()


def inline_svg(figure: Figure, *, name: str, label: str) -> Markup:
    """The figure as an <svg> element for an HTML page.

    Its names get a prefix, so that several figures can share a page, and its colours become the page's.

    Args:
        figure: the drawing.
        name: prefix of the names inside, unique on the page.
        label: what screen readers say.
    """
    text = svg(figure)
    body = text[re.search(r"<svg [^>]*>", text).end() :]  # type: ignore[union-attr]
    body = re.sub(r'id="', f'id="{name}-', body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", body)
    for color, variable in THEMED.items():
        body = body.replace(color, f"var(--{variable})")
    width, height = (round(72 * inches, 2) for inches in figure.get_size_inches())
    opening = (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width / 0.75:.0f}" height="{height / 0.75:.0f}" style="--natural: {width / 0.75:.0f}px">'
    )
    return Markup(opening + body.replace("xlink:href", "href"))
