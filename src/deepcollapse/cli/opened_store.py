"""The folder of a store on the command line."""

from pathlib import Path

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Store

__all__ = ["opened_store"]


def opened_store(*folders: Path) -> Store:
    """The store in the one folder that was named.

    Raises:
        InvalidInputError: none or several named, or no store there.
    """
    if len(folders) != 1:
        found = ", ".join(map(str, folders)) or "none"
        raise InvalidInputError(f"store: expected the folder of one store, but found {found}; name one")
    return Store.open(folders[0])
