"""The directive ``cli-reference``: one section per command, from the commands themselves."""

import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from deepcollapse.cli.app import app as commands
from deepcollapse.cli.app import described

__all__ = ["CliReference", "command_names", "markdown", "setup"]

_LOG = logging.getLogger(__name__)
_SINGLE = re.compile(r"\*\[default: \(([^,()]+),\)\]\*")  # one number in a tuple is one number
_MANY = re.compile(r"\b(INT|FLOAT)\.\.\.")
_NEGATIVE = re.compile(r"`(--[\w-]+), --no-[\w-]+`")
_UNSET = " *[default: False]*"


def command_names() -> list[str]:
    """The commands in the order of ``deepcollapse --help``."""
    return [name for name in commands if not name.startswith("-")]


def markdown(name: str, *, level: int) -> str:
    """Usage, description, arguments and options of one command, from its signature and docstring."""
    command = described(name)
    usage_name = "deepcollapse" if command.usage else f"deepcollapse {name}"  # a usage of our own has the name in it
    text = command.generate_docs(output_format="markdown", heading_level=level, usage_name=usage_name)
    text = _NEGATIVE.sub(r"`\1`", text).replace(_UNSET, "")
    return _MANY.sub(r"\1,...", _SINGLE.sub(r"*[default: \1]*", text))


class CliReference(SphinxDirective):
    """A section per command; in Markdown pages only."""

    def run(self) -> list[nodes.Node]:
        """The sections' nodes."""
        found: list[nodes.Node] = []
        for name in command_names():
            section = nodes.section(ids=[f"cli-{name}"], names=[name])
            section += nodes.title(name, "", nodes.literal(text=f"deepcollapse {name}"))
            try:
                text = markdown(name, level=6).split("\n", 1)[1]  # the heading is the section's
            except ImportError as error:
                _LOG.warning("command %s: %s", name, error, location=self.get_location())
                continue
            body = nodes.container()
            self.state.nested_parse(StringList(text.splitlines(), source=f"deepcollapse {name}"), 0, body)
            section += body.children
            self.state.document.note_explicit_target(section)
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("cli-reference", CliReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
