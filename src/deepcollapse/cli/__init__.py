"""The command line: ``deepcollapse COMMAND``. Exit codes: 0 done, 1 failed or not converged, 2 bad input."""

from deepcollapse.cli.app import main

__all__ = ["main"]
