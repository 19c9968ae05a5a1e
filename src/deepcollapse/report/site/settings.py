"""The settings of runs, by name: what a specification says, flattened to single values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["settings_of", "settings_table"]

_BLOCKS = ("kind", "first_seed", "seeds")  # which seeds a run holds is no setting of the model


def settings_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a specification by dotted key; several numbers under one key become text.

    >>> settings_of({"kind": "simulate", "classes": 3, "samples": [1, 2, 2], "seeds": 64})
    {'classes': 3, 'samples': '1, 2, 2'}
    >>> settings_of({"kind": "train", "spec": {"name": "digits", "head": {"width": 64}}})
    {'name': 'digits', 'head.width': 64}
    """
    inside = spec["spec"] if spec.get("kind") == "train" and isinstance(spec.get("spec"), Mapping) else spec
    return dict(_flat({key: value for key, value in inside.items() if key not in _BLOCKS}, ""))


def settings_table(specs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Settings of several runs as columns; None where a run has no such entry.

    >>> settings_table([{"kind": "theory", "layers": 2}, {"kind": "theory", "layers": 3}])
    {'layers': [2, 3]}
    """
    rows = [settings_of(spec) for spec in specs]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _flat(document: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield prefix + key, ", ".join(map(str, value))
        else:
            yield prefix + key, value
