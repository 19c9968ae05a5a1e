"""The page and the figures of one training run, beside its numbers."""

from pathlib import Path

from deepcollapse.plot import style
from deepcollapse.report.network import network_pictures, network_section
from deepcollapse.report.network_captions import Json
from deepcollapse.report.page import Report
from deepcollapse.report.write import write_report

__all__ = ["write_run"]


def write_run(folder: Path, document: Json) -> Path:
    """Write ``index.html`` and, in ``figures/``, every figure as PNG and PDF.

    Args:
        folder: of the run.
        document: what ``deepcollapse train --json`` prints.

    Returns:
        The page.
    """
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with style():
        for name, picture in network_pictures(document).items():
            picture.figure.savefig(figures / f"{name}.png", dpi=160, metadata={"Software": None})
            picture.figure.savefig(figures / f"{name}.pdf", metadata={"CreationDate": None})
    title = document["spec"]["name"]
    section = network_section(document, heading="What training ended at")
    return write_report(
        folder / "index.html", Report(title=title[:1].upper() + title[1:], lead=(), sections=(section,))
    )
