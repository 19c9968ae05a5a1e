"""The page over a store: claims, explorer, sweeps, networks, logits, runs."""

import os
import shlex
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from deepcollapse import __version__
from deepcollapse.report.site.contents import Contents, contents
from deepcollapse.report.site.folder import ASSETS, asset_names, write_folder
from deepcollapse.report.site.ledger import Ledger, read_ledger
from deepcollapse.report.site.page_data import data_files
from deepcollapse.report.words import counted
from deepcollapse.store import Status, Store

__all__ = ["index_html", "write_site"]


def write_site(store: Store, out: Path) -> Path:
    """Write the page over a store: ``index.html`` and a folder of scripts, style and data beside it.

    It works from files without a network. What the store lacks is named, with the command that makes it. The same store
    gives the same files.

    Args:
        store: of runs.
        out: folder of the page, made if missing; an older page in it is replaced.

    Returns:
        The page.

    Raises:
        InvalidInputError: a damaged store, or a folder that holds something else or cannot be written.
    """
    found, ledger = contents(store), read_ledger(store.path)
    return write_folder(out, index_html(found, ledger), data_files(found, ledger, link=_link(store.path, out)))


def index_html(found: Contents, ledger: Ledger | None) -> str:
    """The text of index.html: the claims, and the frames of the views that scripts fill. All texts are escaped."""
    environment = Environment(
        loader=PackageLoader("deepcollapse.report.site", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("site.html.j2").render(
        assets=ASSETS,
        scripts=asset_names(),
        version=__version__,
        store=found.store.path.resolve().name,
        path=_typed(found.store.path),
        ledger=ledger,
        kinds={name: len(kind.ids) for name, kind in found.kinds.items()},
        runs=counted(len(found.ids), "run"),
        reproduced=_reproduced(found, ledger),
        unfinished=_unfinished(found.store),
    )


def _reproduced(found: Contents, ledger: Ledger | None) -> str:
    """How many finished runs are those of the ledger's plan, in words; empty without a ledger."""
    if ledger is None or not ledger.size:
        return ""
    planned = {run.id for plan in found.plans if plan.name == ledger.plan for run in plan.runs}
    return f"{counted(len(planned.intersection(found.ids)), 'run')} of the {ledger.size} reproduction"


def _unfinished(store: Store) -> list[Status]:
    """Plans with runs that are not done."""
    return [status for status in store.statuses() if status.plan is not None and status.done < status.total]


def _typed(store: Path) -> str:
    """The store's path as one would type it here: relative, if it is below the current folder."""
    found, here = store.resolve(), Path.cwd()
    return shlex.quote(str(found.relative_to(here) if found.is_relative_to(here) else found))


def _link(store: Path, page: Path) -> str | None:
    """The way from the page's folder to the store; None where there is none, as to another drive."""
    try:
        return quote(Path(os.path.relpath(store.resolve(), page.resolve())).as_posix())
    except ValueError:
        return None
