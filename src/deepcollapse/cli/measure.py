"""``deepcollapse measure``: collapse metrics of features in files."""

from pathlib import Path
from typing import Any

from deepcollapse.cli.model import Real, Whole
from deepcollapse.cli.output import number, print_json, print_lines, print_table, progress_bar
from deepcollapse.experiments.feature_files import measure_files
from deepcollapse.stats import Centre

__all__ = ["measure"]

_SHOWN = 10  # structures and singular values; all of them with --json
_SINGLE = {
    "nc1.papyan": ("NC1 tr(S_W S_B^+)", "0: spread within over between"),
    "nc1.zhu": ("NC1 / K", "0: the same over K"),
    "nc1.quotient": ("NC1 tr(S_W) / tr(S_B)", "0: quotient of traces"),
    "nc1.rank": ("NC1 rank", "K - 1: directions that count"),
    "cdnv": ("CDNV", "0: variances over distances^2"),
    "nc3.papyan": ("NC3", "0: classifier from means, up to 2"),
    "nc3.etf": ("NC3 simplex", "0: W M^T from a simplex"),
    "nc3.subspace": ("NC3 subspace", "0: classifier outside means' span"),
    "nc4.agreement": ("NC4 agreement", "1: classifier names nearest mean"),
    "spectrum.rank": ("rank", "K - 1: of the class means"),
    "spectrum.stable_rank": ("stable rank", "K - 1: sum of s^2 over largest"),
    "spectrum.effective_rank": ("effective rank", "K - 1: by the entropy of s"),
}
_PAIRS = {
    "nc2.equinorm": ("NC2 norms", "0: all equal"),
    "nc2.equiangular": ("NC2 angles", "0: cos = -1/(K-1)"),
    "nc2.etf_error": ("NC2 simplex", "0: Gram matrix"),
    "gnc2.distance": ("GNC2 distances", "0: evenly spread"),
    "gnc2.log": ("GNC2 logarithms", "0: the same of logs"),
}


def measure(
    *files: Path,
    centre: Centre = "class",
    classes: Whole | None = None,
    drop_empty: bool = False,
    rtol: Real = 1e-3,
    json: bool = False,
) -> None:
    """Collapse metrics of features in files: NC1 to NC4, spectra, nearest structure.

    Args:
        files: .npz, .safetensors or folders of .npy, each with features (N, d) and labels (N), whole numbers from 0;
            perhaps weight (K, d), bias (K) and logits (N, K). Several are shards of one data set. Folders and
            safetensors may be larger than memory, an array in an .npz is read whole.
        centre: of the class means: the mean of the classes, or of all samples.
        classes: K; default the rows of the weight, else the columns of the logits, else the largest label + 1.
        drop_empty: leave out classes without samples and their rows of the classifier.
        rtol: share of the largest standard deviation between classes up to which a direction does not count.
        json: write one JSON document to standard output.
    """
    with progress_bar("reading") as advance:
        found = measure_files(files, classes=classes, drop_empty=drop_empty, centre=centre, rtol=rtol, progress=advance)
    if json:
        print_json(found.as_json())
    else:
        _print(found.as_json())


def _print(document: dict[str, Any]) -> None:
    rows = [[name, _at(document, path), meaning] for path, (name, meaning) in _SINGLE.items()]
    what = f"{document['samples']} samples, {document['classes']} classes, width {document['width']}"
    centre = {"class": "class means", "sample": "samples"}[document["centre"]]
    print_table(f"{what}, centred at the mean of the {centre}", ["metric", "value", "at collapse"], rows)
    pairs = [
        [name, _at(document, f"{path}_means"), _at(document, f"{path}_weights"), meaning]
        for path, (name, meaning) in _PAIRS.items()
    ]
    print_table("Geometry", ["metric", "class means", "classifier", "at collapse"], pairs)
    if cosines := document["nc3"]["cosines"]:
        least, kept = min(zip(cosines, document["kept"], strict=True))
        mean = number(sum(cosines) / len(cosines))
        print_lines(
            f"Cosine of classifier row and class mean, 1 at collapse: mean {mean}, least {number(least)} (class {kept})"
        )
    if structure := document["structure"]:
        nearest = [[name, distance] for name, distance in structure["distances"].items()][:_SHOWN]
        print_table("Class-mean logits, nearest structures: 0 at one, up to 2", ["structure", "distance"], nearest)
    values = document["spectrum"]["singular_values"]
    shown = ", ".join(map(number, values[:_SHOWN])) + (", ..." if len(values) > _SHOWN else "")
    print_lines(f"Singular values of the class means, {len(values)} in all: {shown}")
    print_lines(*(f"Warning: {text}" for text in document["warnings"]))


def _at(document: dict[str, Any], path: str) -> Any:
    for part in path.split("."):
        document = document[part]
    return document
