"""What sphinx-gallery is told: the order of the examples, and that figures need no pyplot."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from deepcollapse.plot import style

__all__ = ["Order", "figures"]

_ORDER = ("structures", "depth", "spectra", "stability", "dimension", "basins", "network")
_saved: WeakSet[Figure] = WeakSet()


class Order:
    """Sort key of the examples' file names."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> int:
        """Its place."""
        name = Path(filename).stem.removeprefix("plot_")
        return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def figures(_block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures among a block's names that were not saved before; the text that shows them."""
    paths = []
    for value in list(block_vars["example_globals"].values()):
        if isinstance(value, Figure) and value not in _saved:
            _saved.add(value)
            path = next(block_vars["image_path_iterator"])
            with style():
                value.savefig(path, dpi=150)
            paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])


def _get_sg_image_scraper() -> Any:
    """Found by sphinx-gallery under this name."""
    return figures
