"""An integration imported as if other libraries were installed; undone by monkeypatch."""

import sys
from importlib import import_module
from types import ModuleType

import pytest

PACKAGE = "deepcollapse.integrations"


def fresh(monkeypatch: pytest.MonkeyPatch, name: str, **libraries: ModuleType | None) -> ModuleType:
    """The module, imported anew with these libraries (dots written as two underscores), None for a missing one."""
    for library, stand_in in libraries.items():
        monkeypatch.setitem(sys.modules, library.replace("__", "."), stand_in)
    monkeypatch.setitem(sys.modules, f"{PACKAGE}.{name}", None)  # so that undoing removes what is imported below
    monkeypatch.delitem(sys.modules, f"{PACKAGE}.{name}")
    monkeypatch.setattr(import_module(PACKAGE), name, None, raising=False)
    return import_module(f"{PACKAGE}.{name}")
