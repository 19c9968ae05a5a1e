"""Compute, certify, simulate and measure neural collapse and low-rank bias."""

from importlib import import_module

_HOMES = {
    "Problem": "ufm",
    "balanced_factors": "ufm",
    "collapse": "ufm",
    "given": "ufm",
    "logits_objective": "ufm",
    "measure": "observe",
    "read_factors": "ufm",
    "structure": "ufm",
    "structures": "ufm",
}
_PACKAGES = (
    "curvature",
    "experiments",
    "integrations",
    "landscape",
    "metrics",
    "networks",
    "observe",
    "plot",
    "report",
    "reproduce",
    "simulate",
    "stats",
    "store",
    "sweep",
    "theory",
    "ufm",
)

__all__ = [*_HOMES, *_PACKAGES]  # noqa: PLE0604

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
