"""From the parts of a report to one HTML file that needs no network."""

import os
import re
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from deepcollapse.errors import InvalidInputError
from deepcollapse.report.page import Report
from deepcollapse.report.svg import inline_svg
from deepcollapse.report.words import cell

__all__ = ["html", "write_report"]


def html(report: Report) -> str:
    """The page: figures and style inside, nothing fetched, every text escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": cell, "data_uri": _data_uri}
    environment.globals |= {"inline_svg": inline_svg}
    template = resources.files("deepcollapse.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report, anchors=_anchors(report))


def write_report(path: Path, report: Report) -> Path:
    """Write the page to a file, its folder made if needed; an older file stays until the new one is whole.

    Returns:
        The path.

    Raises:
        InvalidInputError: the folder cannot be made, or the file not be written.
    """
    text = html(report)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"report: expected a file that can be written, but found {str(path)!r} ({error.strerror}); choose another"
        ) from error
    return path


def _anchors(report: Report) -> list[str]:
    """Names of the sections in links: their headings in lower case, numbered where they repeat."""
    found: list[str] = []
    for section in report.sections:
        stem = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-") or "section"
        name, number = stem, 1
        while name in found:
            number += 1
            name = f"{stem}-{number}"
        found.append(name)
    return found


def _data_uri(text: str) -> str:
    return f"data:text/csv;charset=utf-8,{quote(text)}"
