"""The plan of a reproduction: which runs the claims need, at three sizes."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import train_spec
from deepcollapse.reproduce.claims import CLAIMS
from deepcollapse.reproduce.plan_files import REPLACED, shipped_parts
from deepcollapse.reproduce.scope import Scope
from deepcollapse.sweep import Plan, plan

__all__ = ["reproduction"]


def reproduction(
    size: str,
    *,
    only: Collection[str] | None = None,
    cifar10: Path | None = None,
    device: str | None = None,
) -> Plan:
    """The runs behind the claims.

    What is asked for is in the plan's name, so that a store can hold several; runs that they share are done once.

    Args:
        size: "quick" (minutes on two cores), "small" (an hour and more) or "full" (the paper's own settings).
        only: ids of claims whose parts are kept; None keeps all.
        cifar10: an archive with images ``X`` and labels ``y`` in the place of CIFAR-10's own files.
        device: of torch, for networks and simulations; None leaves it at the plan's.

    Raises:
        InvalidInputError: an unknown size or claim, claims that the size has no runs for, or an archive that cannot be
            read.

    >>> [part.name for part in reproduction("quick", only=["T5"]).parts]
    ['E2', 'E2-audit', 'T5']
    """
    scope = Scope.asked(size, only=only, device=device, images=cifar10)
    parts = [part for part in shipped_parts(size) if any(CLAIMS[id].wants(part["name"]) for id in scope.claims)]
    if not parts:
        raise InvalidInputError(
            f"only: expected claims that the size {size} has runs for, but found {', '.join(scope.claims)}; choose a "
            "larger size"
        )
    if cifar10 is not None:
        parts = [_with_images(part, cifar10) for part in parts]
    if device is not None:
        parts = [_on_device(part, device) for part in parts]
    return plan({"name": scope.plan_name, "parts": parts})


def _with_images(part: Mapping[str, Any], archive: Path) -> Mapping[str, Any]:
    """The part on images of an archive, if it is one on CIFAR-10."""
    if part["kind"] != "train" or train_spec(part["run"]["spec"]).data.source != REPLACED:
        return part
    images = {"data.source": "file", "data.path": str(archive), "data.download": False}
    return {**part, "run": {**part["run"], **images}}


def _on_device(part: Mapping[str, Any], device: str) -> Mapping[str, Any]:
    if part["kind"] not in ("train", "simulate"):
        return part
    return {**part, "run": {**part["run"], "device": device}}
