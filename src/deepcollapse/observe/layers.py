"""The modules of a network by name, as its author wrote it: without the wrappers that training put around it."""

import difflib
import sys
from collections.abc import Sequence

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.linear_calls import transposed_linear

__all__ = ["chosen_layers", "named_layers", "original_module"]

_SHOWN_NAMES = 20
_DEFAULT = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def original_module(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile(model)``, ``DataParallel`` and ``DistributedDataParallel``, however nested.

    Raises:
        InvalidInputError: no module.
    """
    if not isinstance(model, nn.Module):
        raise InvalidInputError(
            f"model: expected a torch.nn.Module, but found {type(model).__name__}; the model comes first, then the "
            "loader, and functions are put into a module"
        )
    while (inner := _wrapped_child(model)) is not None:
        model = model.get_submodule(inner)
    return model


def named_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every module by its name as in ``named_modules()``; one that has two names appears under both.

    The path components "_orig_mod" and "module" that wrappers add are left out.

    >>> list(named_layers(DataParallel(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))))
    ['', '0', '1']
    """
    found = dict(model.named_modules(remove_duplicate=False))
    return {_plain_name(name, found): module for name, module in found.items()}


def chosen_layers(model: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Module]:
    """The modules to observe; None for every linear and convolutional one, each once.

    Raises:
        InvalidInputError: one string instead of several, or names that no module has.
    """
    found = named_layers(model)
    if names is None:
        kinds = (*_DEFAULT, *transposed_linear())
        kept = {id(module): name for name, module in reversed(found.items()) if isinstance(module, kinds)}
        return {name: found[name] for name in reversed(kept.values())}
    if isinstance(names, str):
        raise InvalidInputError(
            f"layers: expected a sequence of names, but found one string {names!r}; write [{names!r}]"
        )
    return {plain: found[plain] for plain in (_known(name, model, found) for name in names)}


def _known(name: str, model: nn.Module, found: dict[str, nn.Module]) -> str:
    if name in found:
        return name
    wrapped = dict(model.named_modules(remove_duplicate=False))
    if name in wrapped:
        return _plain_name(name, wrapped)
    near = difflib.get_close_matches(name, found, n=5, cutoff=0.4)
    near = near or [known for known in found if known][:_SHOWN_NAMES]
    raise InvalidInputError(
        f"layers: expected names of model.named_modules(), but found {name!r}; the nearest are {near}"
    )


def _plain_name(name: str, found: dict[str, nn.Module]) -> str:
    parts, kept = name.split(".") if name else [], []
    for depth, part in enumerate(parts):
        if part != _wrapped_child(found[".".join(parts[:depth])]):
            kept.append(part)
    return ".".join(kept)


def _wrapped_child(module: nn.Module) -> str | None:
    """Name of the only child of a wrapper; None for everything else."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # slow to import, and only compiled models need it
    if dynamo is not None and isinstance(module, dynamo.OptimizedModule):
        return "_orig_mod"
    return "module" if isinstance(module, DataParallel | DistributedDataParallel) else None
