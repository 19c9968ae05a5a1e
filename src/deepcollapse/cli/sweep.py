"""``deepcollapse sweep``: the runs of a plan, done in a store."""

import time
from pathlib import Path

from rich.markup import escape

from deepcollapse.cli.interruption import keeping
from deepcollapse.cli.model import Real
from deepcollapse.cli.output import print_json, print_lines, print_table
from deepcollapse.cli.plan import one_plan
from deepcollapse.cli.status import print_ends
from deepcollapse.cli.workers import Workers, runs_bar, runs_done
from deepcollapse.errors import ConvergenceError
from deepcollapse.store import Status, Store
from deepcollapse.sweep import ends, launch

__all__ = ["sweep"]

_WORKERS = Workers()


def sweep(
    *plan: Path,
    store: Path,
    who: Workers = _WORKERS,
    lease: Real = 120.0,
    retry: bool = False,
    require_converged: bool = False,
    json: bool = False,
) -> int:
    """Do the runs of a plan in a store, with any number of workers.

    Stopped at any moment, the same command goes on: what is finished is kept and not done again, and networks go on
    from their last checkpoint. The same command on several machines that share the folder shares the work. Exit code 1
    when runs failed.

    Args:
        plan: a TOML file.
        store: folder of the runs, made if missing.
        who: does the runs.
        lease: seconds without a sign of life after which a run is taken from its worker.
        retry: try failed runs again.
        require_converged: exit with code 1, too, if a seed or network neither converged nor settled nor is at zero.
        json: write counts and time as one JSON document to standard output.
    """
    wanted, launcher = one_plan(*plan), who.chosen()
    opened, begin = Store.create(store), time.perf_counter()
    with keeping(lambda: runs_done(opened, wanted)), runs_bar() as advance:
        found = launch(opened, wanted, launcher=launcher, lease=lease, retry=retry, progress=advance)
    seconds, ended = time.perf_counter() - begin, ends(opened, wanted.ids)
    if json:
        counts = {name: getattr(found, name) for name in ("plan", "total", "done", "failed")}
        print_json(
            {
                **counts,
                "ends": ended.as_json(),
                "seconds": seconds,
                "launcher": launcher.name,
                "workers": launcher.workers or None,
            }
        )
    else:
        _print(found, seconds)
        print_ends(ended)
    if require_converged and ended.undecided:
        raise ConvergenceError(
            f"converged: expected all {ended.total} ends to be decided, but found {ended.undecided} that are not "
            f"({ended.sentence()}); change lr or steps_max as the advice says"
        )
    return 0 if found.done == found.total else 1


def _print(found: Status, seconds: float) -> None:
    print_lines(f"{found.done} of {found.total} runs done, {found.failed} failed; {seconds:.1f} s")
    if found.errors:
        print_table("Failed", ["run", "error"], [[id, escape(error)] for id, error in found.errors])
        print_lines("Their tracebacks are in the store's folder failures; --retry tries them again.")
    if left := found.running + found.pending:
        print_lines(f"{left} are left; the same command goes on.")
