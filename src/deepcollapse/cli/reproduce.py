"""``deepcollapse reproduce``: the paper's claims, one by one, against what this software finds."""

from pathlib import Path
from typing import Literal

from rich.markup import escape

from deepcollapse.cli.model import Whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.reproduce import Ledger, ledger, other_failures, reproduction
from deepcollapse.store import Store
from deepcollapse.sweep import Launcher, PoolLauncher, SerialLauncher, launch

__all__ = ["reproduce"]


def reproduce(
    *,
    size: Literal["quick", "small", "full"],
    store: Path,
    out: Path | None = None,
    cifar10: Path | None = None,
    device: str | None = None,
    launcher: Literal["serial", "pool", "dask", "slurm"] = "pool",
    workers: Whole = 0,
    only: str | None = None,
    retry: bool = False,
    json: bool = False,
) -> int:
    """Hold the paper's claims against runs of this software: do the runs, judge each claim, write the ledger.

    Stopped at any moment, the same command goes on. Exit code 0 when every run is done, whatever the verdicts, and also
    where runs lack data or a library that this machine does not have: the claims say so. Exit code 1 when runs failed
    for another reason; the ledger is written all the same.

    Args:
        size: quick (minutes on two cores), small (about an hour and a quarter) or full (the paper's own settings, for a
            GPU).
        store: folder of the runs, made if missing; the ledger is written to ledger.json in it.
        out: folder for the page and the figures; none are made without it.
        cifar10: an .npz archive with images X and labels y, used in the place of CIFAR-10's own files, which are
            otherwise looked for in the folder data.
        device: torch device of networks and simulations, cuda for example.
        launcher: of the workers: in this process, as processes of this machine, on Dask, or on Slurm.
        workers: how many; by default one for each core.
        only: claims joined by commas, such as E2,T5; nothing is run that they do not need.
        retry: try failed runs again.
        json: write the ledger as one JSON document to standard output.
    """
    wanted = reproduction(size, only=only.split(",") if only is not None else None, cifar10=cifar10, device=device)
    opened = Store.create(store)
    with progress_bar("runs") as advance:
        launch(opened, wanted, launcher=_launcher(launcher, workers), retry=retry, progress=advance)
    found = ledger(opened, wanted.name)
    file = found.save(opened.path)
    if json:
        print_json(found.as_json())
    else:
        _print(found)
        print_lines(f"Ledger: {file}")
    failures = other_failures(opened, wanted.name)
    if failures and not json:
        print_table("Failed", ["run", "error"], [[id, escape(error)] for id, error in failures.items()])
    return 1 if failures else 0


def _launcher(name: str, workers: int) -> Launcher:
    if name == "dask":
        from deepcollapse.sweep.dask import DaskLauncher

        return DaskLauncher(workers=workers)
    if name == "slurm":
        from deepcollapse.sweep.slurm import SlurmLauncher

        return SlurmLauncher(workers=workers or 1)
    return SerialLauncher() if name == "serial" else PoolLauncher(workers)


def _print(found: Ledger) -> None:
    rows = [
        [finding.id, finding.verdict, escape(finding.title), escape(finding.ours or finding.reason)]
        for finding in found.claims
    ]
    print_table(f"Claims, {found.plan}", ["claim", "verdict", "about", "what was found"], rows)
    conditions = [f"{one.id}: {one.reason}" for one in found.claims if one.reason and one.ours]
    print_lines(*conditions)
