"""Libraries that are there only where the user installed an extra."""

from importlib import import_module
from pathlib import Path
from typing import Any

from deepcollapse.errors import MissingExtraError

__all__ = ["installing", "optional_class", "optional_module"]


def optional_module(*names: str, extra: str) -> Any:
    """The first of these modules that is installed.

    Raises:
        MissingExtraError: none is; the message says how to install the extra that brings one.

    >>> optional_module("no_such_module", "math", extra="none").pi
    3.14
    """
    missing: ImportError | None = None
    for name in names:
        try:
            return import_module(name)
        except ImportError as error:
            missing = error
    wanted = " or ".join(names)
    raise MissingExtraError(
        f"{extra}: expected {wanted} to be installed, but found none; {installing(extra)}"
    ) from missing


def installing(extra: str) -> str:
    """Advice how to install an extra: from the clone that runs, or from the folder of one.

    >>> installing("digits").endswith('[digits]"')
    True
    """
    clone = Path(__file__).resolve().parents[2]
    editable = (clone / "pyproject.toml").is_file()
    place = f'run: python -m pip install -e "{clone}' if editable else 'run in a clone: python -m pip install -e ".'
    return f'{place}[{extra}]"'


def optional_class(name: str, *modules: str, extra: str) -> Any:
    """A class to derive from, of the first of these modules that is installed.

    Where none is, a class whose construction raises, so that the module with the derived class can still be imported.
    """
    try:
        return getattr(optional_module(*modules, extra=extra), name)
    except MissingExtraError as error:
        message = str(error)

    def refuse(self: object, *_: object, **__: object) -> None:
        raise MissingExtraError(message)

    return type(name, (), {"__init__": refuse})
