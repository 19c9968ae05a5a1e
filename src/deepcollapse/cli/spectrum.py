"""``deepcollapse spectrum``: the Hessian at a structure or at given logits."""

from pathlib import Path

import numpy as np

from deepcollapse.cli.model import Model
from deepcollapse.cli.output import print_json, print_lines, print_table
from deepcollapse.curvature import Spectrum, balanced_spectrum, structure_spectrum
from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import structure

__all__ = ["spectrum"]


def spectrum(*, model: Model, at: str | None = None, logits: Path | None = None, json: bool = False) -> None:
    """The whole Hessian spectrum at a critical point of a linear model, with multiplicities.

    Args:
        model: the deep unconstrained feature model.
        at: dnc, simplex, orthogonal-frame, one-layer-frame, seli, paired, partition-2-2-6 (group sizes), T5 (points),
            circle or zero.
        logits: instead of a name, a file with K x K class logits: .npy, or what `landscape --json` wrote.
        json: write one JSON document to standard output.
    """
    problem = model.problem()
    found = _spectrum(problem, at, logits)
    if json:
        print_json(found.as_json())
        return
    rows = [[float(value), int(count)] for value, count in zip(found.eigenvalues, found.multiplicities, strict=True)]
    print_table(f"Hessian at {at or logits}: {found.parameters} parameters", ["eigenvalue", "multiplicity"], rows)
    print_lines(f"Nullity {found.nullity}, trace {found.trace:.9g}: {found.verdict}")


def _spectrum(problem: Problem, at: str | None, logits: Path | None) -> Spectrum:
    if at is not None and logits is None:
        return structure_spectrum(structure(at, problem), problem)
    if logits is not None and at is None:
        return balanced_spectrum(_read(logits), problem)
    raise InvalidInputError("point: expected either --at NAME or --logits FILE, but found both or none; give one")


def _read(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".json":
            return np.array(json_object(path.read_bytes(), {"minimum": dict})["minimum"]["logits"], dtype=float)
        return np.asarray(np.load(path, allow_pickle=False), dtype=float)
    except (ValueError, KeyError, TypeError, EOFError, OverflowError) as error:
        raise InvalidInputError(
            f"logits: expected a .npy matrix or what `landscape --json` wrote, but found {path} ({error}); "
            f'save the matrix with numpy.save("{path.stem}.npy", logits)'
        ) from None
