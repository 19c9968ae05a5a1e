"""The figures of the paper as files in a folder, with their captions."""

from collections.abc import Sequence
from pathlib import Path

from deepcollapse.plot.files import write_figure
from deepcollapse.plot.paper.collection import PaperFigure, SkippedFigure

__all__ = ["write_paper_figures"]


def write_paper_figures(folder: Path, found: Sequence[PaperFigure | SkippedFigure]) -> dict[str, tuple[Path, Path]]:
    """Write each figure as PDF and PNG, and ``captions.md``; the folder is made if missing.

    Args:
        folder: of the figures.
        found: what ``paper_figures`` gives; of skipped ones older files are removed.

    Returns:
        Number of the figure -> its two files.
    """
    figures = [figure for figure in found if isinstance(figure, PaperFigure)]
    written = {figure.number: write_figure(folder, figure.name, figure.figure) for figure in figures}
    skipped = [figure.name for figure in found if isinstance(figure, SkippedFigure)]
    stale = [file for name in skipped for ending in ("pdf", "png") if (file := folder / f"{name}.{ending}").exists()]
    for file in stale:
        file.unlink()
    lines = [f"**{figure.title}.** {figure.caption}" for figure in figures]
    if lines:
        (folder / "captions.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    elif stale and not any(folder.glob("figure-*")):
        (folder / "captions.md").unlink(missing_ok=True)
    return written
