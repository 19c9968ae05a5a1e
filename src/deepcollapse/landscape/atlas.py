"""The atlas: low points found by search for K = 2..16 classes and L = 1..8 layers, followed along the decay.

A JSON Lines table. The header has the version and how the table was built; then comes one line per K and L with the
points to carry to other decays (``AtlasEntry``) and the lowest loss found at each decay of the grid (``Lowest``).
"""

import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm.problem import Problem

__all__ = [
    "ATLAS_VERSION",
    "SHOWN_DECAYS",
    "AtlasEntry",
    "Lowest",
    "Region",
    "Table",
    "atlas",
    "atlas_entry",
    "lowest_by_decay",
    "read_table",
    "region",
    "regions",
    "write_table",
]

ATLAS_VERSION = 2
SHOWN_DECAYS = (2.0**-10, 2.0**-6)
"""Decays at which the atlas has the best point of every K and L, whether it has a name or not."""
_DIGITS = 10  # of logits in the table; a rounded matrix is cut back to its rank when it is read


@dataclass(frozen=True, slots=True)
class AtlasEntry:
    """A stationary point at one decay, with one sample per class: the lowest known of its rank or below.

    Attributes:
        classes, layers, decay: the setting.
        loss: F.
        rank: of the logits.
        structure: its name, or "unnamed".
        automorphisms: order of its group of class permutations.
        singular_values: non-zero ones, non-increasing.
        logits: class logits, K x K.
    """

    classes: int
    layers: int
    decay: float
    loss: float
    rank: int
    structure: str
    automorphisms: int
    singular_values: Float[np.ndarray, " r"]
    logits: Float[np.ndarray, "K K"]

    @property
    def problem(self) -> Problem:
        """The model at this setting."""
        return Problem(classes=self.classes, layers=self.layers, decay=self.decay)

    def as_json(self) -> dict[str, object]:
        """The entry as plain numbers, lists and names."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in found.items()}


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest loss that the search found at one decay, with the rank and name of the point."""

    decay: float
    loss: float
    rank: int
    structure: str


@dataclass(frozen=True, slots=True)
class Region:
    """All that the atlas has for one number of classes and layers.

    Attributes:
        classes, layers: K and L.
        entries: points to carry to any decay, by increasing decay and loss.
        lowest: the best known at each decay of the grid, by increasing decay.
    """

    classes: int
    layers: int
    entries: tuple[AtlasEntry, ...]
    lowest: tuple[Lowest, ...]


Table = dict[tuple[int, int], Region]
"""Regions by (classes, layers)."""


def atlas() -> tuple[AtlasEntry, ...]:
    """Every entry of the table shipped with the package, by classes, layers, decay and loss."""
    return tuple(entry for found in _shipped().values() for entry in found.entries)


def atlas_entry(classes: int, layers: int, decay: float = 2.0**-10) -> AtlasEntry | None:
    """The lowest entry of one setting, None where the table has none.

    Every K = 2..16 and L = 1..8 has one at decays 2^-10 and 2^-6.

    >>> atlas_entry(10, 3).rank
    3
    """
    found = region(classes, layers)
    here = [] if found is None else [entry for entry in found.entries if entry.decay == decay]
    return min(here, key=lambda entry: entry.loss, default=None)


def lowest_by_decay(classes: int, layers: int) -> tuple[Lowest, ...]:
    """The best known at each decay of the grid, by increasing decay; empty outside the table.

    >>> {row.rank for row in lowest_by_decay(10, 3) if 2.0**-14 < row.decay < 2.0**-9}
    {3}
    """
    found = region(classes, layers)
    return () if found is None else found.lowest


def region(classes: int, layers: int) -> Region | None:
    """The part of the shipped table for one K and L; None outside it."""
    return _shipped().get((classes, layers))


def regions() -> tuple[Region, ...]:
    """All parts of the shipped table, by classes and layers."""
    return tuple(_shipped().values())


def read_table(path: Path) -> Table:
    """The regions of a table, also of one whose building was interrupted; empty if there is no file.

    Raises:
        InvalidInputError: the file is no atlas of this version.
    """
    return _parsed(path.read_text(encoding="utf-8"), source=str(path)) if path.exists() else {}


def write_table(path: Path, table: Table, *, built: dict[str, object]) -> None:
    """Replace the table at once: the header with how it was built, then one line per K and L in order."""
    lines = [json.dumps({"atlas": ATLAS_VERSION} | built), *(_line(table[key]) for key in sorted(table))]
    whole = path.with_name(path.name + ".tmp")
    whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole.replace(path)


@cache
def _shipped() -> Table:
    text = files("deepcollapse.landscape").joinpath("atlas.jsonl").read_text(encoding="utf-8")
    return _parsed(text, source="the shipped atlas")


def _line(found: Region) -> str:
    points = [entry.as_json() for entry in found.entries]
    for point in points:
        del point["classes"], point["layers"]
        point["logits"] = [[float(f"{v:.{_DIGITS}g}") for v in row] for row in point["logits"]]  # type: ignore[union-attr]
    rows = [[row.decay, row.loss, row.rank, row.structure] for row in found.lowest]
    return json.dumps({"classes": found.classes, "layers": found.layers, "entries": points, "lowest": rows})


def _parsed(text: str, *, source: str) -> Table:
    """Regions by K and L; a last line cut short by an interruption is dropped."""
    lines = text.split("\n")[:-1]
    try:
        header = json.loads(lines[0]) if lines else None
    except ValueError:
        header = lines[0][:40]
    if not isinstance(header, dict) or header.get("atlas") != ATLAS_VERSION:
        raise InvalidInputError(
            f"atlas: expected a table of version {ATLAS_VERSION}, but found {header} in {source}; "
            "choose a file that does not exist yet"
        )
    try:
        found = [_region(json.loads(line)) for line in lines[1:]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            f"atlas: expected one region per line, but found a line that is none in {source} ({error}); "
            "choose a file that does not exist yet"
        ) from None
    return {(one.classes, one.layers): one for one in found}


def _region(line: dict) -> Region:
    classes, layers = line["classes"], line["layers"]
    entries = []
    for point in line["entries"]:
        u, s, vt = np.linalg.svd(np.array(point["logits"], dtype=float))
        logits = (u[:, : point["rank"]] * s[: point["rank"]]) @ vt[: point["rank"]]
        arrays = {"logits": logits, "singular_values": np.array(point["singular_values"], dtype=float)}
        entries.append(AtlasEntry(classes=classes, layers=layers, **point | arrays))
    return Region(classes, layers, tuple(entries), tuple(Lowest(*row) for row in line["lowest"]))
