"""Processes that can be told apart: after a while the same number belongs to another one."""

import os
from functools import cache
from pathlib import Path

__all__ = ["is_gone", "machine", "process_began"]

_PROC = Path("/proc")


@cache
def machine() -> str | None:
    """One boot of one machine and its namespace of process numbers; None where the system does not say.

    Host names do not do: containers and cloned machines share them.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return None


def process_began(pid: int) -> int | None:
    """When a process of this machine began, in the kernel's ticks; 0 if only its remains are there, None if unknown."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_gone(*, pid: int, on: str | None, began: int | None) -> bool:
    """Whether a process is known to have ended; False where that cannot be known from here.

    Args:
        pid: its number.
        on: its ``machine``.
        began: its ``process_began``.
    """
    if on is None or began is None or on != machine():
        return False
    if (found := process_began(pid)) is not None:
        return found != began
    try:  # other users' processes may be hidden
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
