"""``deepcollapse certify``: a proven lower bound of the global minimum."""

from pathlib import Path

from deepcollapse.cli.model import Model, Real, Whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.certificate_log import CertificateLog
from deepcollapse.powers import number
from deepcollapse.theory.certified_minimum import certified_minimum

__all__ = ["certify"]


def certify(
    *,
    model: Model,
    gap: str = "1%",
    minutes: Real = 10.0,
    workers: Whole = 1,
    log: Path | None = None,
    json: bool = False,
) -> int:
    """A proven lower bound of the global minimum, next to the lowest known loss.

    Args:
        model: the deep unconstrained feature model (linear, cross-entropy, at most 5 classes).
        gap: (upper - lower) / upper to reach: 5% or .05.
        minutes: budget; when it is spent, the bound so far is proven and printed, and the exit code is 1.
        workers: processes.
        log: a file for every box with its proof; the same command resumes from it, and
            examples/check_certificate.py checks it.
        json: write one JSON document to standard output.
    """
    problem = model.problem()
    if workers < 1 or not minutes > 0:
        raise InvalidInputError(
            f"workers, minutes: expected at least 1 and more than 0, but found {workers} and {minutes:g}; raise them"
        )
    share = _share(gap)
    kept = None if log is None else CertificateLog.open(log, problem)
    with progress_bar("boxes") as advance:
        found = certified_minimum(
            problem,
            gap=share,
            minutes=minutes,
            workers=workers,
            known=kept.leaves if kept else (),
            record=kept.add if kept else None,
            progress=advance,
        )
    if json:
        print_json(found.as_json())
    else:
        print_lines(found.sentence)
        rows = [["lower bound", found.lower_bound], ["upper bound", found.upper_bound], ["gap", found.gap]]
        print_table(f"{found.structure}, {found.boxes} boxes", ["", "proven"], rows)
    return 0 if found.proven else 1


def _share(text: str) -> float:
    value = number(text.removesuffix("%"), name="gap")
    return float(value) / 100 if text.endswith("%") else float(value)
