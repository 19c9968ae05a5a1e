"""Backbones that end a run in ways that sweeps have to survive; made by name in whatever process does the run."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn


def deadly(*_: object, **__: object) -> NoReturn:
    """Kills its process as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def broken(*_: object, **__: object) -> NoReturn:
    """Raises, always."""
    raise ArithmeticError("doomed")


def broken_once(shape: tuple[int, ...], *, width: int, generator: torch.Generator, folder: str) -> nn.Module:
    """Raises the first time, and works then."""
    try:
        (Path(folder) / "tried").touch(exist_ok=False)
    except FileExistsError:
        return plain(shape, width=width, generator=generator)
    raise ArithmeticError("not yet")


def slow(shape: tuple[int, ...], *, width: int, generator: torch.Generator, folder: str) -> nn.Module:
    """Says that it has begun, and takes until it is allowed to go on."""
    (Path(folder) / f"begun-{os.getpid()}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return plain(shape, width=width, generator=generator)


def recording(shape: tuple[int, ...], *, width: int, generator: torch.Generator, folder: str) -> nn.Module:
    """Writes down how many threads its process computes with."""
    numbers = [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    (Path(folder) / "threads").write_text(" ".join([*numbers, str(torch.get_num_threads())]))
    return plain(shape, width=width, generator=generator)


def plain(shape: tuple[int, ...], *, width: int, generator: torch.Generator) -> nn.Module:
    """A linear map of the pixels."""
    layer = nn.Linear(torch.Size(shape).numel(), width)
    nn.init.normal_(layer.weight, std=0.1, generator=generator)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), layer)
