"""The state in which a network is observed: evaluation mode, no gradients, every module really called."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.layers import named_layers

__all__ = ["evaluation", "expect_samples_apart"]


@contextmanager
def evaluation(model: nn.Module, *, device: torch.device | None) -> Iterator[None]:
    """Evaluation mode without gradients, in which hooks see every module; all is put back at the end, and on errors.

    Compiled code is not used, because hooks do not fire in it, and neither is the fused path of PyTorch's transformer
    layers, which computes with weights of modules it does not call. What the loader draws from torch's global
    generators (a DataLoader draws seeds even if it does not shuffle) is put back, too. Gradients are off by
    ``no_grad``: a tensor that a module keeps from a pass in inference mode could not be used in training afterwards.
    """
    modes = {module: module.training for module in model.modules()}
    fused = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        cuda = [device] if device is not None and device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.callback(_restore, modes)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fused)
        if "torch._dynamo" in sys.modules:  # otherwise nothing is compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.no_grad())
        torch.backends.mha.set_fastpath_enabled(False)
        model.eval()
        yield


def expect_samples_apart(model: nn.Module, *, training: bool) -> None:
    """Refuse what makes the features of a sample depend on the others of its batch.

    Raises:
        InvalidInputError: training mode, or BatchNorm that has no running statistics.
    """
    if training:
        raise InvalidInputError(
            "training: expected False, but found True; statistics of a batch would make the features of a sample "
            "depend on the samples beside it, recompute the running statistics of BatchNorm instead"
        )
    modules = named_layers(model).items()
    bare = [name for name, module in modules if isinstance(module, _BatchNorm) and module.running_mean is None]
    if bare:
        raise InvalidInputError(
            f"model: expected BatchNorm with running statistics, but found none in {bare}; the features of a sample "
            "would depend on the samples beside it, train with track_running_stats=True"
        )


def _restore(modes: dict[nn.Module, bool]) -> None:
    """Parents come before children, so that ``train`` of a parent does not have the last word."""
    for module, training in modes.items():
        if module.training != training:
            module.train(training)  # some modules do more than to set a flag
    for module, training in modes.items():
        module.training = training
