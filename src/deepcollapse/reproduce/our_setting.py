"""The settings of the runs behind a claim, in as few words as the paper's."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.networks import named
from deepcollapse.reproduce.claims.spans import short, span
from deepcollapse.reproduce.evidence import Evidence, PartEvidence

__all__ = ["our_setting"]

Rows = Sequence[Mapping[str, Any]]

_ACTIVATIONS = {"linear": "linear", "relu": "ReLU"}
_SIZES = {"layers": "L", "width": "d", "classes": "K", "samples": "n"}


def our_setting(claim: Claim, found: Evidence) -> str:
    """What was run for a claim, read off the rows of its finished runs.

    Of the parts that a claim only looks at, those are told that are of another kind than the ones it needs: the others
    repeat or check these.
    """
    needed = [found.parts[name] for name in claim.needs if name in found.parts]
    kinds = {part.rows[0]["kind"] for part in needed if part.rows}
    beside = [found.parts[name] for name in claim.also if name in found.parts]
    parts = needed + [part for part in beside if part.rows and part.rows[0]["kind"] not in kinds]
    return "; ".join(_told(part) for part in parts if part.rows)


def _told(part: PartEvidence) -> str:
    rows = part.rows
    match rows[0]["kind"]:
        case "train":
            words = _network(rows)
        case "simulate":
            words = (*_model(rows), *_descent(rows))
        case "landscape":
            words = (*_model(rows), f"{span(_known(rows, 'restarts'))} restarts of a search")
        case _:
            words = _model(rows)
    return ", ".join(words)


def _model(rows: Rows) -> Iterator[str]:
    yield f"{_ACTIVATIONS[rows[0]['activation']]} UFM"
    for column, letter in _SIZES.items():
        yield f"{letter} = {span(_known(rows, column))}"
    yield f"decay {span(_known(rows, 'decay'))}"


def _descent(rows: Rows) -> Iterator[str]:
    points = Counter((row["width"], row["decay"], row["init_scale"]) for row in rows)
    yield f"learning rate {span(_known(rows, 'lr'))}"
    yield f"initial scale {span(_known(rows, 'init_scale'))}"
    yield f"{span(points.values())} seeds a point"
    if any(row["accelerate"] is not None for row in rows):
        yield "accelerated"


def _network(rows: Rows) -> Iterator[str]:
    """Of one part, whose runs differ in their seeds."""
    row = rows[0]
    yield f"{named(row)}, {short(row['per_class'])} per class"
    yield f"{_ACTIVATIONS[row['activation']]} head L = {row['layers']}, d = {row['width']}"
    if row["decay_features"] is None:
        yield f"decay {row['decay_weights']:g} on all parameters"
    else:
        yield f"decays {row['decay_weights']:g} (weights) and {row['decay_features']:g} (features)"
    yield f"learning rate {row['rate']:g}"
    yield "full batch" if row["batch"] is None else f"batch {short(row['batch'])}"
    yield f"{span(_known(rows, 'steps'))} steps, {len(rows)} seed{'s' * (len(rows) > 1)}"


def _known(rows: Rows, column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]
