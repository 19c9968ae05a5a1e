"""The plans that come with the package: which runs stand behind which claim, at each size."""

import tomllib
from importlib import resources
from typing import Any

__all__ = ["FOLDER", "REPLACED", "shipped_parts"]

FOLDER = resources.files("deepcollapse.reproduce") / "plans"
"""One file for each size."""

REPLACED = "cifar10"
"""The source of images in whose place an archive may be put; no plan has an archive of its own."""


def shipped_parts(size: str) -> list[dict[str, Any]]:
    """The parts of the plan of this size, as they are written."""
    return tomllib.loads((FOLDER / f"{size}.toml").read_text(encoding="utf-8"))["parts"]
