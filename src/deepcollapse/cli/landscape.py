"""``deepcollapse landscape``: search for minimisers over logits."""

import numpy as np

from deepcollapse.cli.model import Model, Numbers, Whole, whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import Landscape, search

__all__ = ["landscape"]


def landscape(
    *, model: Model, restarts: Whole = 20, rank: Numbers | None = None, seed: Whole = 0, json: bool = False
) -> None:
    """Search for the true minimisers over logits: every rank, many restarts, all known points included.

    Args:
        model: the deep unconstrained feature model (linear).
        restarts: random starts per rank.
        rank: start at these ranks only, joined by commas.
        seed: of the random starts.
        json: write one JSON document to standard output.
    """
    if seed < 0:
        raise InvalidInputError(f"seed: expected a whole number >= 0, but found {seed}; choose another")
    generator = np.random.default_rng(seed)
    with progress_bar("searching") as progress:
        result = search(
            model.problem(),
            restarts=restarts,
            ranks=tuple(whole(value, name="rank") for value in rank) if rank else None,
            generator=generator,
            progress=progress,
        )
    if json:
        print_json(result.as_json())
        return
    rows = [
        [f.point.loss, f.point.rank, f.point.structure, f.automorphisms, f.hits, f.point.gradient_norm]
        for f in result.found
    ]
    print_table("Local minima", ["loss", "rank", "structure", "automorphisms", "hits", "gradient norm"], rows)
    if result.unresolved:
        print_lines(f"{result.unresolved} starts ended above the lowest minimum without a stationary point")
    print_lines(f"Best known of {result.restarts} random starts: {result.minimum.structure}; {_verdict(result)}")


def _verdict(result: Landscape) -> str:
    if result.collapse_loss is None:
        return "there is no deep neural collapse to compare with at this decay, width and these samples"
    if result.minimum.loss < result.collapse_loss * (1 - 1e-9):
        return f"below deep neural collapse at {result.collapse_loss:.9g}"
    return "nothing found below deep neural collapse"
