"""``deepcollapse report``: the page over a store."""

from pathlib import Path

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import print_json, print_lines
from deepcollapse.errors import InvalidInputError
from deepcollapse.report.site import expect_page_folder, write_site

__all__ = ["report"]


def report(*store: Path, out: Path | None = None, json: bool = False) -> None:
    """Write the page over a store: claims, landscape explorer, sweeps, networks, logits, runs.

    It opens in any browser, straight from the folder and without a network. Compact a large store first.

    Args:
        store: folder of the runs.
        out: folder of the page; made if missing, an older page in it is replaced.
        json: write one JSON document to standard output.
    """
    if out is None:
        raise InvalidInputError("out: expected a folder for the page, but found none; add --out DIR")
    opened = opened_store(*store)
    expect_page_folder(out)
    page = write_site(opened, out)
    if json:
        print_json({"page": str(page), "store": str(opened.path), "runs": len(opened.done())})
    else:
        print_lines(f"Report: {page}")
