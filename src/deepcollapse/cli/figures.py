"""``deepcollapse figures``: the paper's figures from the runs of a store."""

from pathlib import Path

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import print_json, print_lines, progress_bar
from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import PaperFigure, paper_figures, write_paper_figures

__all__ = ["figures"]


def figures(
    *store: Path, out: Path | None = None, only: str | None = None, plan: str | None = None, json: bool = False
) -> int:
    """Draw the paper's figures, and one of ours, from the runs of a store, as PDF and PNG with their captions.

    A figure whose runs are missing is skipped, with the command that makes them. Exit code 1 if none could be drawn.

    Args:
        store: folder of the runs.
        out: folder of the figures; made if missing.
        only: numbers separated by commas: 1 to 6 as in the paper, 6b (networks with ReLU heads), T5.
        plan: whose runs to draw; by default each figure takes the first plan that has its runs: that of the store's
            ledger, then larger reproductions before smaller ones.
        json: write one JSON document to standard output.
    """
    if out is None:
        raise InvalidInputError("out: expected a folder for the figures, but found none; add --out DIR")
    opened = opened_store(*store)
    out.mkdir(parents=True, exist_ok=True)
    wanted = None if only is None else [number.strip() for number in only.split(",")]
    with progress_bar("figures") as advance:
        found = paper_figures(opened, only=wanted, plan=plan, progress=advance)
    files = write_paper_figures(out, found)
    drawn = [figure for figure in found if isinstance(figure, PaperFigure)]
    skipped = [figure for figure in found if not isinstance(figure, PaperFigure)]
    if json:
        print_json(
            {
                "figures": [one.as_json() | {"files": [str(file) for file in files[one.number]]} for one in drawn],
                "skipped": [one.as_json() for one in skipped],
            }
        )
    else:
        print_lines(*(f"figure {one.number}: {', '.join(map(str, files[one.number]))}" for one in drawn))
        print_lines(*(f"figure {one.number} skipped: {one.reason}" for one in skipped))
    return 0 if drawn else 1
