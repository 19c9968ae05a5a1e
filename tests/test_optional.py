"""What happens without an optional library, and where several would do."""

import sys
from types import ModuleType

import pytest

from deepcollapse.errors import DeepcollapseError, MissingExtraError
from deepcollapse.optional import optional_class, optional_module


def test_the_first_module_that_is_there(monkeypatch: pytest.MonkeyPatch):
    first, second = ModuleType("first"), ModuleType("second")
    monkeypatch.setitem(sys.modules, "first_choice", first)
    monkeypatch.setitem(sys.modules, "second_choice", second)
    assert optional_module("first_choice", "second_choice", extra="x") is first
    monkeypatch.setitem(sys.modules, "first_choice", None)
    assert optional_module("first_choice", "second_choice", extra="x") is second


def test_without_any_the_extra_is_named():
    message = r"^some: expected no_a or no_b to be installed, but found none; run: pip install deepcollapse\[some\]$"
    with pytest.raises(MissingExtraError, match=message) as caught:
        optional_module("no_a", "no_b", extra="some")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_class_to_derive_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "there", ModuleType("there"))
    monkeypatch.setattr(sys.modules["there"], "Thing", dict, raising=False)
    assert optional_class("Thing", "no_a", "there", extra="x") is dict


def test_without_it_only_construction_fails():
    class Derived(optional_class("Thing", "no_a", extra="some")):
        def __init__(self, number: int) -> None:
            super().__init__(number, keyword=number)

    with pytest.raises(DeepcollapseError, match=r"some: expected no_a .*pip install deepcollapse\[some\]"):
        Derived(1)
