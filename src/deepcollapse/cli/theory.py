"""``deepcollapse theory``: every theorem for one model."""

from math import log2

from deepcollapse.cli.model import Model
from deepcollapse.cli.output import print_json, print_lines, print_table
from deepcollapse.theory import overview

__all__ = ["theory"]


def theory(*, model: Model, rigorous: bool = False, json: bool = False) -> None:
    """Every theorem for one model: losses, structures, thresholds, certificates.

    Args:
        model: the deep unconstrained feature model.
        rigorous: also verify in interval arithmetic that a low-rank structure lies below neural collapse.
        json: write one JSON document to standard output.
    """
    document = overview(model.problem(), rigorous=rigorous).as_json()
    if json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict) -> None:
    collapse, dimension = document["dnc"], document["dimension"]
    print_table("Deep neural collapse (DNC)", ["quantity", "value"], [[k, v] for k, v in collapse.items()])
    print_table(
        "Structures by loss",
        ["name", "rank", "loss", "critical point"],
        [[s["name"], s["rank"], s["loss"], s["critical"]] for s in document["structures"]],
    )
    print_table(
        "Theorems",
        ["id", "applies", "holds", "statement"],
        [[name, t["applies"], t["holds"], t["statement"]] for name, t in document["theorems"].items()],
    )
    if dimension:
        rows = [[kind, dimension[kind]["paper"], dimension[kind]["exact"]] for kind in ("dnc", "low_rank", "ratio")]
        print_table(f"Solution-set dimension, low rank = {dimension['rank']}", ["", "paper", "exact"], rows)
    if certificate := document.get("certificate"):
        print_table("Rigorous certificate", ["quantity", "value"], [[k, v] for k, v in certificate.items()])
    findings = [
        f"{name}, {note}" for name, t in document["theorems"].items() for note in t["notes"] if "finding" in note
    ]
    print_lines(*findings, f"Best: {_best(document)}", *(f"Note: {note}" for note in document.get("notes", [])))


def _best(document: dict) -> str:
    """The lowest point, and where it was carried from if the atlas has it; its decays are powers of two."""
    origin = document["structures"][0]["origin"]
    if origin is None:
        return document["best"]
    return f"{document['best']}, carried from the atlas entry of rank {origin['rank']} at 2^{log2(origin['decay']):.0f}"
