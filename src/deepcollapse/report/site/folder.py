"""The page as a folder: index.html, and beside it what it needs."""

import os
import shutil
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from deepcollapse.errors import InvalidInputError

__all__ = ["ASSETS", "asset_names", "expect_page_folder", "write_folder"]

ASSETS = "report-assets"
_MARK = "deepcollapse-report"
_OLDER = f".{ASSETS}.*.old"  # what was there before; left where a process is killed while it moves a new one there
_SCRIPTS = (
    "ray", "relaxed_pairs", "closed_forms", "numbers", "logit_patterns", "elements", "address", "theme",
    "structure_names", "csv", "table", "controls", "charts", "heat_map", "columns", "runs_data", "filters",
    "model_settings", "explorer_answer", "explorer_levels", "explorer_curves", "phase_diagram", "explorer", "claims",
    "chart_axes", "sweep_points", "loss_chart", "sweep_charts", "sweeps", "network_charts", "networks",
    "matrix_charts", "matrix_view", "run_list", "run_view", "page",
)  # fmt: skip


def asset_names() -> tuple[str, ...]:
    """The scripts that come with the package, in the order in which the page loads them; the data come first."""
    return tuple(f"{name}.js" for name in _SCRIPTS)


def write_folder(out: Path, index: str, scripts: Iterable[tuple[str, str]]) -> Path:
    """Write the page; an older one stays whole until the new one is.

    Args:
        out: folder, made if missing. Besides ``index.html`` only its folder ``report-assets`` is touched.
        index: the text of index.html.
        scripts: names and texts of the data.

    Returns:
        The path of index.html.

    Raises:
        InvalidInputError: the folder holds another page, or cannot be written.
    """
    expect_page_folder(out)
    part = out / f".{ASSETS}.{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        try:
            part.mkdir()
            for name, text in scripts:
                (part / name).write_text(text, encoding="utf-8")
            for name, content in _fixed().items():
                (part / name).write_bytes(content)
            (part / _MARK).touch()
            _put(part, out / ASSETS)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        fresh = out / f".index.html.{os.getpid()}"
        fresh.write_text(index, encoding="utf-8")
        return fresh.replace(out / "index.html")
    except OSError as error:
        raise InvalidInputError(
            f"out: expected a folder that can be written, but found {str(out)!r} ({error.strerror}); choose another"
        ) from error


def expect_page_folder(out: Path) -> None:
    """Nothing, if a page can be written there.

    Raises:
        InvalidInputError: the folder holds another page, or cannot be written, or cannot be made.
    """
    ours = any((assets / _MARK).exists() for assets in (out / ASSETS, *out.glob(_OLDER)))
    for path in (out / ASSETS, out / "index.html"):
        if path.exists() and not ours:
            raise InvalidInputError(
                f"out: expected a new folder or one with an older report of a store, but found {path}; choose another"
            )
    nearest = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InvalidInputError(f"out: expected a folder that can be written, but found {nearest}; choose another")


def _fixed() -> Mapping[str, bytes]:
    """Scripts, style, and plotly's library."""
    from plotly.offline import get_plotlyjs

    folder = resources.files("deepcollapse.report.site").joinpath("assets")
    names = (*asset_names(), "style.css")
    return {name: folder.joinpath(name).read_bytes() for name in names} | {"plotly.min.js": get_plotlyjs().encode()}


def _put(part: Path, place: Path) -> None:
    """Move the new folder to its place and the older one away."""
    if place.exists():
        place.rename(part.with_name(f"{part.name}.old"))
    part.rename(place)
    for older in place.parent.glob(_OLDER):
        shutil.rmtree(older, ignore_errors=True)
