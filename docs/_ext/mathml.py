"""Formulas as MathML, made by docutils while the pages are built: they need no script and no network."""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

__all__ = ["mathml", "setup"]

_LOG = logging.getLogger(__name__)
_NAMES = {"T": r"^{\mathsf{T}}", "dots": r"\ldots"}
_OPERATORS = ("tr", "diag", "rank", "log", "ln")
_COMMAND = re.compile(r"\\(" + "|".join(_NAMES) + r")(?![A-Za-z])")
_OPERATOR = re.compile(
    r"([\w})]\s*)?\\(" + "|".join(_OPERATORS) + r")(?![A-Za-z])(\s*)(?=(\\[Bb]ig|\\left|[(\[{_^&]|$)?)"
)
_SHORT_FRACTION = re.compile(r"(\\[td]?frac)(\w)(\w)")
_TAG = re.compile(r"\\tag\{(\w+)\}")
_FENCE = re.compile(r'<mo(?: class="\w+")?>([‖⟨⟩])</mo>')  # docutils lets them grow to the height of the line


def mathml(formula: str, *, block: bool) -> str:
    r"""A formula in TeX's notation as a ``<math>`` element.

    Our own commands: ``\T`` is a transpose, ``\diag``, ``\rank`` and ``\tr`` are operators.

    Raises:
        docutils.utils.math.MathError: a command that docutils does not know.
    """
    formula = _COMMAND.sub(lambda found: _NAMES[found[1]], formula)
    formula = _OPERATOR.sub(_spaced, formula)
    formula = _SHORT_FRACTION.sub(r"\1{\2}{\3}", formula)
    if r"\\" in formula and r"\begin" not in formula:
        formula = rf"\begin{{aligned}}{formula}\end{{aligned}}"
    return _FENCE.sub(r'<mo stretchy="false">\1</mo>', latex2mathml.tex2mathml(formula, as_block=block))


def _spaced(found: re.Match[str]) -> str:
    """An operator's name with a thin space towards letters on either side."""
    before = found[1] + r"\," if found[1] else ""
    after = "" if found[4] is not None else r"\,"
    return rf"{before}\operatorname{{{found[2]}}}{after}"


def _visit(translator: object, node: nodes.Element, *, block: bool) -> None:
    formula, mark = _TAG.sub("", node.astext()), _TAG.search(node.astext())
    tag = f'<span class="math-tag">({mark[1]})</span>' if mark else ""
    try:
        found = mathml(formula, block=block)
    except Exception as error:  # docutils raises whatever its parser stumbles over
        _LOG.warning("formula: %s in %r", error, formula, location=node)
        found = f"<code>{translator.encode(formula)}</code>"  # type: ignore[attr-defined]
    if block:
        found = f'<div class="math-block">{found}{tag}</div>'
    translator.body.append(found)  # type: ignore[attr-defined]
    raise nodes.SkipNode


def _inline(translator: object, node: nodes.math) -> None:
    _visit(translator, node, block=False)


def _block(translator: object, node: nodes.math_block) -> None:
    _visit(translator, node, block=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer as "mathml"."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
