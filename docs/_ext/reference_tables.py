"""Directives for the reference of documents: what has a name is found in the code, its meaning in the page.

- ``json-document COMMAND``: the keys of what a command prints with ``--json``.
- ``entries MODULE:CLASS``: the entries of a document that is read into a dataclass.
- ``row-columns KIND``: the columns that a kind of run writes.

The first and the last have lines "name: meaning" for content; a name that the page does not explain, or that does not
exist, is a warning.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

import documents
from docutils import nodes
from docutils.statemachine import StringList
from entries import entries
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["Entries", "JsonDocument", "RowColumns", "explained", "setup"]

_LOG = logging.getLogger(__name__)


def explained(
    content: Iterable[str], names: Sequence[str], *, required: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Meanings by name from lines "name: meaning", and what is wrong with them."""
    told = dict(line.split(": ", 1) for line in content if line.strip())
    wrong = [f"{name} is not explained" for name in required if name not in told]
    return told, wrong + [f"{name} does not exist" for name in told if name not in names]


class _Table(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[nodes.Node]:
        lines = [head, ["---"] * len(head), *rows]
        text = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        body = nodes.container()
        self.state.nested_parse(StringList(text, source=self.get_location()), 0, body)
        return body.children

    def warn(self, messages: Iterable[str]) -> None:
        for message in messages:
            _LOG.warning("%s: %s", self.arguments[0], message, location=self.get_location())


class JsonDocument(_Table):
    """Keys, types and meanings of what a command prints."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        try:
            found = documents.document(self.arguments[0])
        except ImportError as error:
            self.warn([str(error)])
            return []
        rows = list(documents.rows(found))
        paths = [path for path, _ in rows]
        told, wrong = explained(self.content, paths, required=[path for path in paths if path in found])
        self.warn(wrong)
        cells = [[_code(path), type_, told.get(path, "")] for path, type_ in rows]
        return self.table(["key", "type", "meaning"], cells)


class Entries(_Table):
    """Names, types, defaults and meanings of a dataclass's entries."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        module, _, name = self.arguments[0].partition(":")
        kind = getattr(import_module(module), name)
        rows = [
            [_code(one.name), one.type, _code(one.default) if one.default else "", one.meaning]
            for one in entries(kind)
            if one.name not in ("problem", "kind")
        ]
        return self.table(["entry", "type", "default", "meaning"], rows)


class RowColumns(_Table):
    """Columns, Arrow types and meanings of the rows of a kind of run; those of all kinds once."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        columns = row_columns(self.arguments[0])
        told, wrong = explained(self.content, list(columns), required=columns)
        self.warn(wrong)
        rows = [[_code(name), type_, told.get(name, "")] for name, type_ in columns.items()]
        return self.table(["column", "type", "meaning"], rows)


def row_columns(kind: str) -> Mapping[str, str]:
    """Arrow types by column; of a kind without those of all kinds, which are "all"."""
    shared = import_module("deepcollapse.experiments.run_result").PROBLEM_COLUMNS
    if kind == "all":
        return {"run": "string", **{name: str(type_) for name, type_ in shared.items()}}
    own = import_module(f"deepcollapse.experiments.{kind}_run")._COLUMNS
    return {name: str(type_) for name, type_ in own.items() if name not in shared}


def _code(text: str) -> str:
    return f"`{text}`"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("json-document", JsonDocument)
    app.add_directive("entries", Entries)
    app.add_directive("row-columns", RowColumns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
