"""``deepcollapse reproduce``: the paper's claims, one by one, against what this software finds."""

from pathlib import Path
from typing import Literal

from rich.markup import escape

from deepcollapse.cli.interruption import keeping
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.cli.streams import write
from deepcollapse.cli.workers import Workers, runs_bar, runs_done
from deepcollapse.plot.paper import paper_figures, write_paper_figures
from deepcollapse.report.site import expect_page_folder, write_site
from deepcollapse.reproduce import Finding, Ledger, ledger, other_failures, reproduction
from deepcollapse.store import Store
from deepcollapse.sweep import launch

__all__ = ["reproduce"]

_WORKERS = Workers()


def reproduce(
    *,
    size: Literal["quick", "small", "full"],
    store: Path,
    out: Path | None = None,
    only: str | None = None,
    cifar10: Path | None = None,
    device: str | None = None,
    who: Workers = _WORKERS,
    retry: bool = False,
    json: bool = False,
) -> int:
    """Hold the paper's claims against runs of this software: do the runs, judge each claim, write the ledger.

    Stopped at any moment, the same command goes on. Exit code 0 when every run is done, whatever the verdicts, and also
    where runs lack images or a library that this machine does not have: the claims say so. Exit code 1 when runs failed
    for another reason; the ledger is written all the same.

    Args:
        size: quick (minutes on two cores), small (one to two hours) or full (the paper's settings, meant for a GPU).
        store: folder of the runs, made if missing; the ledger is written to ledger.json in it.
        out: folder for the page, and for the paper's figures in its folder figures; none are made without it.
        only: claims joined by commas, such as E2,T5; nothing is run that they do not need.
        cifar10: an .npz archive with images X and labels y, used in the place of CIFAR-10's own files, which are
            otherwise looked for in the folder data; workers in other folders need its whole path.
        device: torch device of networks and simulations, cuda for example.
        who: does the runs.
        retry: try failed runs again.
        json: write the ledger as one JSON document to standard output.
    """
    wanted = reproduction(size, only=None if only is None else only.split(","), cifar10=cifar10, device=device)
    if out is not None:
        expect_page_folder(out)
    launcher, opened = who.chosen(), Store.create(store)
    with keeping(lambda: runs_done(opened, wanted)), runs_bar() as advance:
        launch(opened, wanted, launcher=launcher, retry=retry, progress=advance)
    found = ledger(opened, wanted.name)
    file = found.save(opened.path)
    if json:
        print_json(found.as_json())
    else:
        _print(found)
        print_lines(f"Ledger: {file}")
    if out is not None:
        page = _write(opened, out, plan=wanted.name)
        write(f"Report: {page}\n", error=json)
    failures = other_failures(opened, wanted.name)
    for id, error in failures.items():
        write(f"deepcollapse: run {id} failed: {error}\n", error=True)
    return 1 if failures else 0


def _write(store: Store, out: Path, *, plan: str) -> Path:
    page = write_site(store, out)
    with progress_bar("figures") as advance:
        write_paper_figures(out / "figures", paper_figures(store, plan=plan, progress=advance))
    return page


def _print(found: Ledger) -> None:
    rows = [[finding.id, finding.verdict, finding.title] for finding in found.claims]
    print_table(f"Claims: {escape(found.plan)}", ["claim", "verdict", "about"], rows)
    for finding in found.claims:
        print_lines(" ".join(filter(None, (f"{finding.id}:", finding.ours, _because(finding)))))


def _because(finding: Finding) -> str:
    words = {"reproduced with conditions": "Conditions: ", "out of reach here": "Out of reach: "}
    return words.get(finding.verdict, "") + finding.reason if finding.reason else ""
