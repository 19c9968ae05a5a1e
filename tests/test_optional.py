"""What happens without an optional library, and where several would do."""

import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from deepcollapse.errors import DeepcollapseError, MissingExtraError
from deepcollapse.optional import installing, optional_class, optional_module

ROOT = Path(__file__).parents[1]


def test_the_first_module_that_is_there(monkeypatch: pytest.MonkeyPatch):
    first, second = ModuleType("first"), ModuleType("second")
    monkeypatch.setitem(sys.modules, "first_choice", first)
    monkeypatch.setitem(sys.modules, "second_choice", second)
    assert optional_module("first_choice", "second_choice", extra="x") is first
    monkeypatch.setitem(sys.modules, "first_choice", None)
    assert optional_module("first_choice", "second_choice", extra="x") is second


def test_without_any_the_extra_is_named():
    message = r"^some: expected no_a or no_b to be installed, but found none; run: python -m pip .*\[some\]\"$"
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

    with pytest.raises(DeepcollapseError, match=r"some: expected no_a .*python -m pip install .*\[some\]"):
        Derived(1)


def extras() -> dict[str, list[str]]:
    """Every extra that a call in the package names, with the files that do."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "src").rglob("*.py")):
        for extra in re.findall(r"\bextra=\"(\w+)\"", file.read_text(encoding="utf-8")):
            found.setdefault(extra, []).append(file.name)
    del found["none"], found["forbid"]  # an example, and pydantic's word for unknown keys
    return found


@pytest.mark.parametrize("extra", extras())
def test_the_advice_names_a_folder_and_an_extra_that_are_there(extra: str):
    command = installing(extra).removeprefix("run: ")
    *start, target = shlex.split(command)
    assert start == ["python", "-m", "pip", "install", "-e"]
    folder, _, named = target.partition("[")
    project = tomllib.loads(Path(folder, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert named.removesuffix("]") in project["optional-dependencies"]
    assert project["name"] == "deepcollapse"


def test_away_from_a_clone_the_advice_asks_for_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deepcollapse.optional.__file__", "/usr/lib/python3/site-packages/deepcollapse/optional.py")
    assert installing("query") == 'run in a clone: python -m pip install -e ".[query]"'
