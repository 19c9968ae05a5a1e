"""From one part of a plan to the documents of its runs."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from deepcollapse.sweep.plan_file import PartTable, SeedsTable

__all__ = ["expanded", "expansion_mistakes", "run_count"]

_SEED_FIELDS = {"simulate": ("first_seed", "seeds"), "landscape": ("seed",), "train": ("seed",), "theory": ()}


def expansion_mistakes(part: PartTable) -> Iterator[str]:
    """What keeps the part from being expanded: fields given twice, unequal columns, seeds that nothing takes."""
    named = Counter([*part.run, *part.grid, *part.zip])
    if part.seeds:
        named.update(_SEED_FIELDS[part.kind])
    for key in sorted(key for key, times in named.items() if times > 1):
        yield f"{key}: expected in one of run, grid, zip and seeds, but found in {_places(part, key)}; keep one"
    if "kind" in named:
        yield f"kind: expected beside run, grid and zip, but found in {_places(part, 'kind')}; make a part of each kind"
    lengths = {key: len(column) for key, column in part.zip.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{key} {length}" for key, length in lengths.items())
        yield f"zip: expected columns of one length, but found {found}; lengthen the shorter, or move one to grid"
    if part.seeds and part.kind == "theory":
        yield f"seeds: expected none for theory, but found {part.seeds.count}; drop the table, it draws nothing"
    elif part.seeds and part.seeds.block is not None and part.kind != "simulate":
        yield f"seeds.block: expected none for {part.kind}, but found {part.seeds.block}; one seed is one run there"


def run_count(part: PartTable) -> int:
    """How many runs the part asks for, equal ones included; nothing is expanded."""
    seeds = 1
    if part.seeds:
        block = (part.seeds.block or part.seeds.count) if part.kind == "simulate" else 1
        seeds = -(-part.seeds.count // block)
    return math.prod(map(len, part.grid.values())) * max(map(len, part.zip.values()), default=1) * seeds


def expanded(part: PartTable) -> Iterator[dict[str, Any]]:
    """The document of every run: the grid in the order written, under each point the rows of zip, then the seeds."""
    points = [dict(zip(part.grid, values, strict=True)) for values in itertools.product(*part.grid.values())]
    rows = [dict(zip(part.zip, values, strict=True)) for values in zip(*part.zip.values(), strict=True)] or [{}]
    for point, row, seeds in itertools.product(points, rows, list(_seeds(part))):
        yield {"kind": part.kind, **part.run, **point, **row, **seeds}


def _seeds(part: PartTable) -> Iterator[dict[str, int]]:
    seeds = part.seeds
    if seeds is None:
        yield {}
    elif part.kind == "simulate":
        yield from _blocks(seeds)
    else:
        yield from ({"seed": seed} for seed in range(seeds.first, seeds.first + seeds.count))


def _blocks(seeds: SeedsTable) -> Iterator[dict[str, int]]:
    block = seeds.block or seeds.count
    for begin in range(0, seeds.count, block):
        yield {"first_seed": seeds.first + begin, "seeds": min(block, seeds.count - begin)}


def _places(part: PartTable, key: str) -> str:
    tables = {"run": part.run, "grid": part.grid, "zip": part.zip}
    seeds = _SEED_FIELDS[part.kind] if part.seeds else ()
    return " and ".join([name for name, table in tables.items() if key in table] + ["seeds"] * (key in seeds))
