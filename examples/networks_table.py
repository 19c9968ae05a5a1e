"""A table of training runs from their summaries: python examples/networks_table.py RUN/summary.json ..."""

import json
import sys
from pathlib import Path

COLUMNS = ("run", "objective", "DNC bound", "side", "rank (1e-6)", "rank (1e-3)", "nearest structure", "NC1 quotient")
COLUMNS += ("training error", "test accuracy", "ended", "polished to")


def row(name: str, run: dict) -> tuple[str, ...]:
    rank, polished, nc1 = run["rank"] or {}, run["polished"], run["nc1"]
    estimate = "" if run["bound"] == "exact" else " (estimate)"
    loss = run["objective"] if run["bound"] == "exact" else run["feature_model_objective"]
    bound = "none" if run["dnc_bound"] is None else f"{run['dnc_bound']:.4f}{estimate}"
    side = "–" if run["dnc_bound"] is None else "below" if run["below_bound"] else "above"
    end = "not asked for"
    if polished:
        what = polished["structure"] or "no critical point"
        end = f"{what}, {polished['loss']:.4f}"
    return (
        name,
        "–" if loss is None else f"{loss:.4f}",
        bound,
        side,
        str(rank.get("paper", "–")),
        str(rank.get("scale_free", "–")),
        run["structure"] or "none",
        "–" if nc1 is None else f"{nc1['quotient']:.2g}",
        f"{run['train_error']:.4f}",
        "–" if run["test_accuracy"] is None else f"{run['test_accuracy']:.3f}",
        f"{run['outcome']}, {run['steps']} steps",
        end,
    )


def main(files: list[str]) -> None:
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for file in map(Path, files):
        name = file.parent.name if file.stem == "summary" else file.stem
        print("| " + " | ".join(row(name, json.loads(file.read_text()))) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
