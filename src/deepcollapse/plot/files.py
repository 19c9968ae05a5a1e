"""Files of a figure, the only place where figures for print are saved: equal figures give equal bytes."""

import io
import os
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

from deepcollapse.plot.style import style

__all__ = ["pdf", "png", "write_figure"]

_EMBEDDED: Final[Any] = {"pdf.fonttype": 42, "pdf.compression": 6}  # TrueType: text that publishers accept
_PDF_METADATA = dict.fromkeys(("CreationDate", "ModDate", "Creator", "Producer"))
_PNG_METADATA = {"Software": None}
_PIXELS_PER_INCH = 300


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF document with embedded TrueType fonts, without date or version.

    >>> pdf(Figure()).startswith(b"%PDF")
    True
    """
    file = io.BytesIO()
    with style(), matplotlib.rc_context(_EMBEDDED):
        figure.savefig(file, format="pdf", metadata=_PDF_METADATA)
    return file.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a PNG image of 300 pixels per inch, without the name and version of what wrote it.

    >>> png(Figure(figsize=(1.0, 1.0)))[1:4]
    b'PNG'
    """
    file = io.BytesIO()
    with style():
        figure.savefig(file, format="png", dpi=_PIXELS_PER_INCH, metadata=_PNG_METADATA)
    return file.getvalue()


def write_figure(folder: Path, name: str, figure: Figure) -> tuple[Path, Path]:
    """Write ``name.pdf`` and ``name.png`` in a folder, made if missing; an older file stays until the new one is whole.

    Returns:
        The two files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for ending, content in (("pdf", pdf(figure)), ("png", png(figure))):
        file = folder / f"{name}.{ending}"
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(file)
        written.append(file)
    return written[0], written[1]
