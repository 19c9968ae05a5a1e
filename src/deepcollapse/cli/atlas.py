"""``deepcollapse atlas``: the table of best known structures."""

from dataclasses import asdict
from pathlib import Path

from deepcollapse.cli.interruption import keeping
from deepcollapse.cli.model import Whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.errors import ConvergenceError
from deepcollapse.landscape import atlas as shipped_atlas
from deepcollapse.landscape import build_atlas, faults, lowest_by_decay
from deepcollapse.landscape import settings as all_settings

__all__ = ["atlas"]


def atlas(
    *, check: bool = False, build: Path | None = None, restarts: Whole = 6, workers: Whole = 1, json: bool = False
) -> None:
    """Best known structures for K = 2..16, L = 1..8 along the decay, one sample per class; none is proven best.

    Args:
        check: recompute loss, rank, singular values and gradient of every shipped entry; takes seconds.
        build: search every K and L and write this table; about an hour, can be interrupted and run again.
        restarts: random starts per rank and searched decay when building.
        workers: processes when building.
        json: write one JSON document to standard output.
    """
    if build is not None:
        kept = f"the settings searched so far are in {build}, the same command goes on"
        with keeping(lambda: kept), progress_bar("searching") as progress:
            build_atlas(build, restarts=restarts, workers=workers, progress=progress)
        return
    table = shipped_atlas()
    found = list(faults(table)) if check else []
    entries = [entry.as_json() for entry in table]
    if json:
        print_json({"entries": entries, "lowest": _lowest(), "checked": check, "faults": found})
    elif not check:
        shown = ["classes", "layers", "decay", "loss", "rank", "structure", "automorphisms"]
        print_table("Atlas of best known structures", shown, [[entry[name] for name in shown] for entry in entries])
    else:
        print_lines(*found, f"{len(entries)} entries checked, {len(found)} faults")
    if found:
        raise ConvergenceError(
            f"atlas: expected every entry to pass its check, but found {found[0]}; rebuild the table"
        )


def _lowest() -> list[dict[str, object]]:
    return [
        {"classes": classes, "layers": layers, **asdict(row)}
        for classes, layers in all_settings()
        for row in lowest_by_decay(classes, layers)
    ]
