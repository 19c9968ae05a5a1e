"""What a reader sees of a figure: the texts drawn, and where."""

from itertools import combinations
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, ticks outside the view excluded, with the box it fills in pixels."""
    canvas, seen, draw = FigureCanvasAgg(figure), [], Text.draw

    def recorded(self, renderer):
        seen.append(self)
        draw(self, renderer)

    with patch.object(Text, "draw", recorded):
        canvas.draw()
    shown = {id(text): text for text in seen if text.get_visible() and text.get_text().strip()}
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown.values()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than a pixel in both directions."""
    return [
        (first, second)
        for (first, one), (second, other) in combinations(drawn_texts(figure), 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    ]


def cut_off(figure: Figure) -> list[str]:
    """Texts that reach beyond the edge of the figure."""
    width, height = figure.get_size_inches() * figure.dpi
    return [text for text, box in drawn_texts(figure) if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
