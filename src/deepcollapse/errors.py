"""Errors of the package: each says what was expected, what was found, and the remedy.

Every class also derives from the built-in exception a caller would expect, so ``except ValueError`` works.
"""

__all__ = [
    "BusyError",
    "CompilerError",
    "ConvergenceError",
    "DeepcollapseError",
    "DownloadError",
    "InvalidInputError",
    "MissingDataError",
    "MissingExtraError",
    "TooLargeError",
    "UndefinedError",
]


class DeepcollapseError(Exception):
    """Root of all errors raised on purpose by this package."""


class InvalidInputError(DeepcollapseError, ValueError):
    """An argument is outside what the function is defined for."""


class BusyError(InvalidInputError):
    """A folder is in use by another process; wait for it, or name another folder."""


class UndefinedError(DeepcollapseError, ArithmeticError):
    """The quantity asked for has no value for this input (nothing plausible is returned instead)."""


class ConvergenceError(DeepcollapseError, RuntimeError):
    """An iteration ended before it reached the accuracy it was asked for."""


class CompilerError(DeepcollapseError, RuntimeError):
    """A compiled part could not be built on this machine; the message names the remedy."""


class DownloadError(DeepcollapseError, OSError):
    """A file could not be fetched; the message names it and the folder where it is expected."""


class MissingDataError(InvalidInputError):
    """Files of a data set are not where they are looked for; the message names them and the folder."""


class MissingExtraError(DeepcollapseError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class TooLargeError(DeepcollapseError, MemoryError):
    """The dense computation asked for is larger than its documented limit."""
