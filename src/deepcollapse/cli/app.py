"""The application: commands loaded when called, errors turned into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from cyclopts import App, CycloptsError

from deepcollapse import __version__
from deepcollapse.cli.streams import Screen, open_streams, settle_streams, write
from deepcollapse.errors import (
    DeepcollapseError,
    InvalidInputError,
    MissingExtraError,
    TooLargeError,
    UndefinedError,
)

__all__ = ["app", "described", "main"]

DONE, FAILED, BAD_INPUT = 0, 1, 2
_HELP = {"--help", "-h"}
_SPINS = "1000"  # of GNU OpenMP, tens of microseconds; its default made training on a loaded machine 20 times slower

app = App(
    name="deepcollapse",
    version=__version__,
    help="Compute, certify, simulate and measure neural collapse and low-rank bias.",
    suppress_keyboard_interrupt=False,
)
_COMMANDS = {
    "theory": "Every theorem for one model: losses, structures, thresholds, certificates.",
    "spectrum": "The whole Hessian spectrum at a structure, with multiplicities.",
    "landscape": "Search for the true minimisers over logits.",
    "certify": "A proven lower bound of the global minimum, for few classes.",
    "atlas": "Best known structures for K = 2..16 and L = 1..8: show, check or rebuild the table.",
    "simulate": "Train an ensemble of models to convergence and classify where each ends.",
    "measure": "Collapse metrics of features in files: NC1 to NC4, spectra, nearest structure.",
    "train": "Train a network with a deep head on images and hold it against the DNC bound.",
    "plan": "What a sweep's plan expands to; nothing is run.",
    "sweep": "Do the runs of a plan in a store, with any number of workers, and go on where they were stopped.",
    "status": "How many runs of a store are done, running or failed, and the time left.",
    "compact": "Gather the rows of all runs of a store in one Parquet table.",
    "query": "Ask the rows of a store in SQL.",
    "gc": "Remove what crashed workers left in a store.",
    "reproduce": "The paper's claims, one by one, against what this software finds.",
    "report": "The page over a store: claims, landscape explorer, sweeps, runs.",
    "figures": "The paper's figures from the runs of a store, as PDF and PNG.",
    "demo": "Run the whole product once and write a report page.",
}
_ARGUMENTS = {
    "train": "SPEC [ENTRY=VALUE ...]",
    "plan": "FILE",
    "sweep": "PLAN --store PATH",
    "status": "STORE",
    "compact": "STORE",
    "query": "STORE SQL",
    "gc": "STORE",
    "report": "STORE --out PATH",
    "figures": "STORE --out PATH",
}
for _name, _help in _COMMANDS.items():
    _usage = f"deepcollapse {_name} {_ARGUMENTS[_name]} [OPTIONS]" if _name in _ARGUMENTS else None
    app.command(f"deepcollapse.cli.{_name}:{_name}", name=_name, help=_help, usage=_usage)


def described(name: str) -> App:
    """A command with the whole of its docstring for its help, of which the list of commands shows a line."""
    command = app[name]
    command.help = None
    return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    if "OMP_WAIT_POLICY" not in os.environ:  # before torch: its threads would spin while another program has their core
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    open_streams()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors become one line on standard error."""
    try:
        code = _called(arguments)
        settle_streams()
        return code
    except CycloptsError as error:  # the options' own readers say in their words what is wrong
        return _report(error.__cause__ if isinstance(error.__cause__, DeepcollapseError) else error, BAD_INPUT)
    except (InvalidInputError, MissingExtraError, UndefinedError, TooLargeError) as error:
        return _report(error, BAD_INPUT)
    except DeepcollapseError as error:
        return _report(error, FAILED)
    except KeyboardInterrupt as stop:
        return _report(f"interrupted; {str(stop) or 'the same command starts from the beginning'}", FAILED)
    except MemoryError as error:
        return _report(f"memory: expected to fit the machine, but found {error}; lower the sizes", BAD_INPUT)
    except OSError as error:
        what = f"{error.strerror} ({error.filename})" if error.filename else str(error)
        return _report(f"file: expected a path that can be read or written, but found: {what}; choose one", BAD_INPUT)


def _called(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in _COMMANDS and _HELP & set(arguments):
        described(arguments[0])
    found = app(arguments, console=Screen(), exit_on_error=False, print_error=False, result_action="return_value")
    return found or DONE


def _report(error: object, code: int) -> int:
    write(f"deepcollapse: {' '.join(str(error).split())}\n", error=True)
    with suppress(OSError):
        settle_streams()
    return code
