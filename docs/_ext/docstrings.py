"""Docstrings of the package as reStructuredText.

They are written to be read in an editor: absolute values, powers, stars and underscores stand in them as they are. This
escapes what reStructuredText would take for markup, makes lists of Markdown tables, and leaves code, doctests and the
sections of Google's style to napoleon.
"""

import itertools
import re
from collections.abc import Iterator

from sphinx.application import Sphinx

__all__ = ["as_rst", "setup"]

_CODE = re.compile(r"(``.+?``)")
_SPECIAL = re.compile(r"([\\*|_`])")
_SECTIONS = {"Args:", "Attributes:", "Raises:", "Returns:", "Yields:"}
_ENTRY = re.compile(r"^(\s+)([\w*, ]+|\*{0,2}\w+)(:\s)(.*)$")
_ROW = re.compile(r"^\|.*\|$")
_RULE = re.compile(r"^\|[-|: ]+\|$")


def as_rst(lines: list[str]) -> list[str]:
    """The lines of one docstring, escaped.

    Text of a section's entries keeps its name before the colon as it is; a paragraph that starts with "Source:" gets
    that word in bold.
    """
    found: list[str] = []
    section, doctest = False, False
    for line in _without_tables(lines):
        text = line.strip()
        doctest = text.startswith(">>>") or (doctest and bool(text))
        if text in _SECTIONS:
            section = True
        elif text and not line.startswith(" "):
            section = False
        if doctest or text in _SECTIONS or text.startswith((".. ", ":header", ":widths", "* - ", "- \x00")):
            found.append(line.replace("\x00", ""))
        elif section and (entry := _ENTRY.match(line)):
            found.append(entry[1] + entry[2] + entry[3] + _escaped(entry[4]))
        elif text.startswith("Source:"):
            found.append(line.replace("Source:", "**Source:**", 1).replace(text[7:], _escaped(text[7:])))
        else:
            found.append(_escaped(line))
    return found


def _escaped(text: str) -> str:
    parts = _CODE.split(text)
    return "".join(part if part.startswith("``") else _SPECIAL.sub(r"\\\1", part) for part in parts)


def _without_tables(lines: list[str]) -> Iterator[str]:
    """The lines with each Markdown table as a ``list-table``."""
    for is_table, group in itertools.groupby(lines, lambda line: bool(_ROW.match(line.strip()))):
        found = list(group)
        yield from _list_table([line.strip() for line in found]) if is_table else found


def _list_table(table: list[str]) -> Iterator[str]:
    yield from ("", ".. list-table::", "   :header-rows: 1", "")
    for row in table:
        if _RULE.match(row):
            continue
        for index, cell in enumerate(row.strip("|").split("|")):
            mark = "* - " if index == 0 else "  - "
            yield f"   {mark}\x00{_escaped(cell.strip())}" if index else f"   {mark}{_escaped(cell.strip())}"
    yield ""


_SENTENCES = ("property", "attribute", "data")  # of these napoleon takes "what: more" for a type and its meaning
_kept: dict[str, list[str]] = {}


def _before_napoleon(_app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    if name.startswith("deepcollapse"):
        lines[:] = as_rst(lines)
        if what in _SENTENCES:
            _kept[name], lines[:] = list(lines), []


def _after_napoleon(_app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    if name in _kept:
        lines[:] = _kept.pop(name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before and after napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", _before_napoleon, priority=100)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
