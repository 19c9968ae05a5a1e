"""Time the computations: ``python -m benchmarks [TABLE] [--rounds R] [--seconds S] [--json FILE]``.

Run it on a quiet machine. With one thread for everything (OMP_NUM_THREADS=1) it measures ratios of one thread, and
nothing about two.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.answer import QUESTION, SEEDS, answer
from benchmarks.measure import CASES, MOST_RATIO, labelled, measure_rows
from benchmarks.measurement import (
    DECAY,
    DTYPES,
    GEMM_SIZE,
    descent_rows,
    descent_tasks,
    machine,
    peak,
    speeds,
    summary,
    theory_rows,
    theory_tasks,
)
from benchmarks.targets import target_rows, unmet

_BUDGETS = {"descent": 300.0, "theory": 60.0}  # seconds; from then on nothing is begun once a round is whole


def result(tables: str, *, rounds: int, seconds: float, peer: Path | None = None) -> dict[str, object]:
    """The machine, how it was measured, and the rows of the tables.

    Keys: ``machine``, ``rounds``, ``seconds``; with the first table ``gemm`` (floating-point operations per second of
    all threads by precision), ``descent`` (one row per problem, precision and contender) and ``targets``; with the
    second ``answer``; with the third ``measure``; with the fourth ``theory``.
    """
    found: dict[str, object] = {"machine": (before := machine()), "rounds": rounds, "seconds": seconds}
    if tables in ("all", "descent"):
        speed = speeds(descent_tasks(), rounds=rounds, seconds=seconds, budget=_BUDGETS["descent"])
        found["gemm"] = {dtype: summary(peak(speed, dtype)) for dtype in DTYPES}
        found["descent"] = list(descent_rows(speed))
        found["targets"] = {"unmet": unmet(before), "rows": list(target_rows(found["descent"]))}
    if tables in ("all", "answer"):
        found["answer"] = answer(QUESTION, seeds=SEEDS, rounds=rounds, seconds=seconds)
    if tables in ("all", "measure"):
        cases = {size: labelled(*size) for size in CASES}
        found["measure"] = measure_rows(cases, rounds=rounds, seconds=seconds, peer=peer)
    if tables in ("all", "theory"):
        found["theory"] = list(
            theory_rows(speeds(theory_tasks(), rounds=rounds, seconds=seconds, budget=_BUDGETS["theory"]))
        )
    return found


def text(found: dict) -> Iterable[str]:
    """The result as tables, line by line."""
    yield ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    yield f"median [quartiles] of at most {found['rounds']} rounds, about {found['seconds']:g} s per measurement"
    for dtype, speed in found.get("gemm", {}).items():
        threads = found["machine"]["threads"]
        yield f"gemm {dtype}, {GEMM_SIZE} x {GEMM_SIZE}, threads {threads}: {_spread(speed, 1e-9, '.1f')} Gflop/s"
    if "descent" in found:
        yield from ("", f"Gradient descent on deep linear models, decay {DECAY:g}")
        yield f"{'problem':<23}{'dtype':<9}{'contender':<11}{'1000 model-steps/s':<28}{'to loop':>8}{'of peak':>9}"
        yield from map(_descent_line, found["descent"])
        yield from ("", f"{'target':<23}{'dtype':<9}{'quantity':<15}{'at least':>9}{'found':>9}{'short by':>10}")
        yield from map(_target_line, found["targets"]["rows"])
        yield from (f"condition of the targets that does not hold: {text}" for text in found["targets"]["unmet"])
    if "answer" in found:
        yield from ("", *_answer_lines(found["answer"]))
    if "measure" in found:
        yield from ("", f"All metrics of features in memory; at most {MOST_RATIO} times the products is wanted")
        yield f"{'features':<28}{'contender':<17}{'seconds':<22}{'to products':>11}{'MiB more':>10}"
        for row in found["measure"]:
            yield from _measure_lines(row)
    if "theory" in found:
        yield from ("", f"{'computation':<42}milliseconds")
        yield from (f"{row['computation']:<42}{_spread(row['seconds'], 1e3, '.2f')}" for row in found["theory"])


def _descent_line(row: dict) -> str:
    speed = _spread(row["model_steps_per_second"], 1e-3, ".2f")
    ratio, share = row["ratio_to_loop"]["median"], row["share_of_peak"]["median"]
    took = f"  {row['engine']}" if row["contender"] == "auto" else ""
    return f"{_size(row):<23}{row['dtype']:<9}{row['contender']:<11}{speed:<28}{ratio:>8.2f}{share:>9.1%}{took}"


def _target_line(row: dict) -> str:
    missed = f"{row['shortfall']:.1%}" if row["shortfall"] else "-"
    figures = f"{row['target']:>9.2f}{row['found']:>9.2f}{missed:>10}{row['share_needed']:>16.1%}"
    return f"{_size(row):<23}{row['dtype']:<9}{row['contender']:<11}{row['quantity']:<15}{figures}"


def _answer_lines(row: dict) -> Iterable[str]:
    ends = " [{:.3f}, {:.3f}]".format(*row["interval"])
    rate = "open" if row["rate"] is None else f"{row['rate']:.3f}"
    statuses = ", ".join(f"{count} {status}" for status, count in row["statuses"].items())
    yield f"Rate of collapse at {_size(row)}, {row['seeds']} seeds: {rate}{ends}; {statuses}"
    yield f"{row['steps']} steps, the longest run {row['longest']}"
    yield f"simulate ({row['engine']}): {row['seconds']:.1f} s, measured"
    ratio = f"{row['ratio']['median']:.0f} times as long"
    yield f"loop, float64: {_spread(row['loop_seconds'], 1 / 60, '.1f')} minutes, from its speed; {ratio}"


def _measure_lines(row: dict) -> Iterable[str]:
    size = f"N={row['samples']} d={row['width']} K={row['classes']}"
    if "note" in row:
        yield f"{size:<28}{row['contender']:<17}{row['note']}"
        return
    growth = f"{row['memory_growth'] / 2**20:.0f}" if "memory_growth" in row else ""
    ratio = f"{row['ratio_to_products']['median']:.2f}"
    yield f"{size:<28}{row['contender']:<17}{_spread(row['seconds'], 1.0, '.3f'):<22}{ratio:>11}{growth:>10}"
    for metric, value in row.get("values", {}).items():
        yield f"    {metric:<24}{value['ours']:<14.8g}theirs {value['theirs']:.8g}"


def _size(row: dict) -> str:
    return f"L={row['layers']} d={row['width']} K={row['classes']} n={row['samples']}"


def _spread(values: dict, unit: float, form: str) -> str:
    median, lower, upper = (format(values[name] * unit, form) for name in ("median", "lower", "upper"))
    return f"{median} [{lower}, {upper}]"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the JSON file asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time the computations.")
    parser.add_argument(
        "tables",
        nargs="?",
        choices=("all", "descent", "answer", "measure", "theory"),
        default="all",
        help="default: all",
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of everything at most (default 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one measurement (default 0.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument("--peer", type=Path, metavar="FOLDER", help="of the repository of neural_collapse, to compare")
    options = parser.parse_args(arguments)
    if options.peer and not (options.peer / "neural_collapse" / "accumulate.py").is_file():
        parser.error(f"--peer: expected a folder with neural_collapse/, but found {options.peer}; clone its repository")
    if options.rounds < 1:
        parser.error(f"--rounds: expected a whole number >= 1, but found {options.rounds}; 5 give quartiles")
    if not 0 < options.seconds < 60:
        parser.error(f"--seconds: expected a number between 0 and 60, but found {options.seconds:g}; 0.5 is usual")
    found = result(options.tables, rounds=options.rounds, seconds=options.seconds, peer=options.peer)
    print(*text(found), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
