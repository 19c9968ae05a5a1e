"""The numbers behind a claim: as names and texts, and the shares among them with their intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from deepcollapse.report.words import number

__all__ = ["Share", "named_numbers", "shares"]

_SETTINGS = {
    "classes": "K", "layers": "L", "samples": "n", "width": "d", "decay": "λ", "init_scale": "initial scale",
    "lr": "lr",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share.

    Attributes:
        label: where it was measured.
        value: the share.
        low: lower end of its 95% interval.
        high: upper end.
    """

    label: str
    value: float
    low: float
    high: float


def named_numbers(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and words below a value, each with its dotted key; plain lists on one line.

    >>> list(named_numbers({"rate": 0.25, "scales": {"1": [True, None]}}))
    [('rate', '0.25'), ('scales.1', 'yes, –')]
    """
    inner = f"{name}." if name else ""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from named_numbers(entry, f"{inner}{key}")
    elif _is_list(value) and any(isinstance(entry, Mapping) or _is_list(entry) for entry in value):
        for index, entry in enumerate(value, start=1):
            yield from named_numbers(entry, f"{inner}{index}")
    else:
        yield name, ", ".join(map(_text, value)) if _is_list(value) else _text(value)


def shares(value: Any, label: str = "") -> Iterator[Share]:
    """Every {"rate" or "value", "interval": [low, high]} below a value, named after the settings beside it.

    >>> list(shares({"points": [{"width": 70, "runs": 16, "dnc": {"rate": 0.5, "interval": [0.28, 0.72]}}]}))
    [Share(label='d = 70', value=0.5, low=0.28, high=0.72)]
    """
    if isinstance(value, Mapping):
        if found := _share(value, label):
            yield found
        here = ", ".join(
            f"{sign} = {_text(value[name])}" for name, sign in _SETTINGS.items() if _is_number(value.get(name))
        )
        for key, entry in value.items():
            yield from shares(entry, here or f"{label} {key}".replace("_", " ").strip())
    elif _is_list(value):
        for entry in value:
            yield from shares(entry, label)


def _share(value: Mapping[str, Any], label: str) -> Share | None:
    interval = value.get("interval")
    numbers = [value.get("rate", value.get("value")), *(interval if _is_list(interval) else ())]
    if len(numbers) != 3 or not all(map(_is_number, numbers)):
        return None
    share, low, high = map(float, numbers)
    return Share(label, share, low, high) if 0 <= low <= share <= high <= 1 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    return number(value, digits=6) if isinstance(value, int | float) else str(value)
