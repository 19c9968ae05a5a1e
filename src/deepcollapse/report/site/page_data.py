"""The data files of the page: one that it needs at once, and others that it asks for when they are looked at."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from deepcollapse import __version__
from deepcollapse.landscape import lowest_by_decay, settings
from deepcollapse.report.site.columns import columns, encoded
from deepcollapse.report.site.contents import Contents, KindOfRun
from deepcollapse.report.site.details import DETAILS_PER_FILE, details
from deepcollapse.report.site.endpoints import endpoints
from deepcollapse.report.site.ledger import Ledger
from deepcollapse.report.site.matrices import MATRICES_PER_FILE, matrices, representative
from deepcollapse.report.site.results import results
from deepcollapse.report.site.settings import settings_table

__all__ = ["data_files"]

_LEAST_DECAY = 2.0**-20  # of the atlas's rows that the explorer compares with
_START = "globalThis.deepcollapse = globalThis.deepcollapse || {};\n"


def data_files(found: Contents, ledger: Ledger | None, *, link: str | None) -> Iterator[tuple[str, str]]:
    """Names and texts of the scripts that hold the data; all of it is inside strings, so that none of it is code.

    Args:
        found: the store.
        ledger: its claims.
        link: way from the page to the store, for links to files.
    """
    claims = () if ledger is None else ledger.claims
    order = representative(found, first=[claim.runs for claim in claims])
    pictured: list[str] = []
    runs = matrices(found, order)
    while part := dict(islice(runs, MATRICES_PER_FILE)):
        yield _side_file(
            f"matrices-{len(pictured) // MATRICES_PER_FILE}", {id: kept.as_json() for id, kept in part.items()}
        )
        pictured += part
    for number, part in enumerate(details(found)):
        yield _side_file(f"runs-{number}", part)
    main = _main(found, ledger, link=link) | {"pictured": {"ids": pictured, "per_file": MATRICES_PER_FILE}}
    yield "data.js", f"{_START}globalThis.deepcollapse.data = JSON.parse({_quoted(main)});\n"


def _side_file(name: str, content: Any) -> tuple[str, str]:
    return f"{name}.js", f"globalThis.deepcollapse.arrived({_quoted_text(name)}, JSON.parse({_quoted(content)}));\n"


def _main(found: Contents, ledger: Ledger | None, *, link: str | None) -> dict[str, Any]:
    simulated = found.kinds.get("simulate")
    return {
        "version": __version__,
        "store": {"name": found.store.path.resolve().name, "link": link},
        "parts": found.parts,
        "kinds": {name: _kind(kind, found) for name, kind in found.kinds.items()},
        "ends": None if simulated is None else endpoints(simulated),
        "details": {"per_file": DETAILS_PER_FILE},
        "claims": {} if ledger is None else {claim.id: list(claim.runs) for claim in ledger.claims},
        "atlas": _atlas(),
    }


def _kind(kind: KindOfRun, found: Contents) -> dict[str, Any]:
    number = {(part["plan"], part["part"]): index for index, part in enumerate(found.parts)}
    return {
        "ids": list(kind.ids),
        "parts": encoded([[number[place] for place in places] for places in kind.places]),
        "settings": columns(settings_table(kind.specs)),
        "results": columns(results(kind)),
    }


def _atlas() -> list[dict[str, Any]]:
    return [
        {"classes": classes, "layers": layers} | asdict(row)
        for classes, layers in settings()
        for row in lowest_by_decay(classes, layers)
        if row.decay >= _LEAST_DECAY
    ]


def _quoted(content: Any) -> str:
    return _quoted_text(json.dumps(content, allow_nan=False, separators=(",", ":")))


def _quoted_text(text: str) -> str:
    """A JavaScript string; JSON's strings in ASCII are such, and `<` is escaped for pages that take scripts in."""
    return json.dumps(text).replace("<", "\\u003c")
