"""The page of results: verdicts and figures of the last reproduction that was committed, in the place of a marker."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

__all__ = ["MARKER", "markdown", "setup"]

MARKER = "<!-- ledger -->"

_TOLD = {
    "Setting": "setting",
    "Setting here": "our_setting",
    "The paper": "paper",
    "Found here": "ours",
    "Conditions, reasons": "reason",
}
_CAPTION = re.compile(r"\*\*Figure (?:of claim )?(\w+)\.\*\* ")

_MISSING = """\
No reproduction has been committed yet. This command makes one, and the documentation built after it shows it:

```sh
deepcollapse reproduce --size small --store runs/reproduction --out runs/page
```
"""


def markdown(folder: Path) -> str:
    """The page's text from ``ledger.json`` and the figures in a folder of results."""
    file = folder / "ledger.json"
    if not file.is_file():
        return _MISSING
    return "\n".join(_lines(json.loads(file.read_text(encoding="utf-8")), folder))


def _lines(ledger: Mapping[str, Any], folder: Path) -> Iterator[str]:
    claims = ledger["claims"]
    yield f"Size **{ledger['size']}**: `deepcollapse reproduce --size {ledger['size']} --store STORE`.\n"
    yield "| claim | about | verdict |\n|---|---|---|"
    for one in claims:
        yield f"| [{one['id']}](#claim-{one['id'].lower()}) | {_cell(one['title'])} | **{_cell(one['verdict'])}** |"
    yield ""
    for one in claims:
        yield f"(claim-{one['id'].lower()})=\n\n## {one['id']}: {_cell(one['title'])}\n"
        rows = [f"{name}\n: {_cell(one[key])}\n" for name, key in _TOLD.items() if one.get(key)]
        yield f"**{one['verdict']}**, from {len(one['runs'])} runs.\n\n" + "\n".join(rows)
    figures = sorted(path for path in folder.rglob("*.png") if "networks" not in path.relative_to(folder).parts)
    if figures:
        yield "## Figures\n"
    for path in figures:
        name = path.stem.replace("-", " ").replace("_", " ")
        caption = _captions(path.parent).get(path.stem, name)
        yield f"```{{figure}} results/{path.relative_to(folder).as_posix()}\n:alt: {name}\n\n{caption}\n```\n"


def _captions(folder: Path) -> dict[str, str]:
    """Paragraphs of ``captions.md`` by the name of the file they belong to: "**Figure 6b.** ..." to "figure-6b"."""
    file = folder / "captions.md"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    paragraphs = [paragraph.strip() for paragraph in text.split("\n\n")]
    return {f"figure-{found[1]}": paragraph for paragraph in paragraphs if (found := _CAPTION.match(paragraph))}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<").replace("$", r"\$").replace("*", r"\*")


def _filled(app: Sphinx, docname: str, source: list[str]) -> None:
    if MARKER in source[0]:
        folder = Path(app.srcdir) / "results"
        app.env.note_dependency(str(folder / "ledger.json"))
        app.env.note_dependency(str(folder / "figures" / "captions.md"))
        source[0] = source[0].replace(MARKER, markdown(folder))


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read."""
    app.connect("source-read", _filled)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
