"""The atlas: best known structure for K = 2..16 classes, L = 1..8 layers, decay 2^-10 and 2^-6, one sample per class.

A JSON Lines table: a header with the version, then one entry per line. While it is built lines are only appended, a
later one for the same setting replacing an earlier one, so that building can be interrupted and resumed.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape.point import StationaryPoint
from deepcollapse.landscape.search import search
from deepcollapse.ufm.objective import logits_objective
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.stationarity import stationarity

__all__ = ["ATLAS_VERSION", "AtlasEntry", "Setting", "atlas", "atlas_entry", "build_atlas", "faults", "settings"]

ATLAS_VERSION = 1
Setting = tuple[int, int, float]
"""(classes, layers, decay)."""


@dataclass(frozen=True, slots=True)
class AtlasEntry:
    """Best known minimum at one setting.

    Attributes:
        classes, layers, decay: the setting, with one sample per class.
        loss: F.
        rank: of the logits.
        structure: its name, or "unnamed".
        automorphisms: order of its group of class permutations.
        singular_values: non-zero ones, non-increasing.
        logits: class logits, K x K.
        rounds: how often the setting was searched (a second round starts from the other settings' bests as well).
    """

    classes: int
    layers: int
    decay: float
    loss: float
    rank: int
    structure: str
    automorphisms: int
    singular_values: Float[np.ndarray, " r"]
    logits: Float[np.ndarray, "K K"]
    rounds: int

    @property
    def problem(self) -> Problem:
        """The model at this setting."""
        return Problem(classes=self.classes, layers=self.layers, decay=self.decay)

    def as_json(self) -> dict[str, object]:
        """The entry as plain numbers, lists and names."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in fields.items()}


def atlas() -> dict[Setting, AtlasEntry]:
    """The table shipped with the package, by setting."""
    return _shipped()


def atlas_entry(classes: int, layers: int, decay: float = 2.0**-10) -> AtlasEntry | None:
    """The entry of one setting, None outside the table.

    >>> atlas_entry(10, 3).rank
    3
    """
    return _shipped().get((classes, layers, decay))


def settings() -> tuple[Setting, ...]:
    """All settings of the table, in order."""
    decays = (2.0**-10, 2.0**-6)
    return tuple((k, layers, decay) for k in range(2, 17) for decay in decays for layers in range(1, 9))


def build_atlas(
    path: Path,
    *,
    chosen: Iterable[Setting] | None = None,
    restarts: int = 200,
    rounds: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Search every setting and append what is found to the table; settings already searched are not searched again.

    In the second round each setting also starts from the bests of all settings with the same number of classes.

    Args:
        path: the table, made if missing.
        chosen: settings; default all.
        restarts: random starts per setting in the first round, spread over the ranks; later rounds take a third.
        rounds: searches per setting.
        progress: called with (searches done, searches in all).
    """
    wanted = tuple(settings() if chosen is None else chosen)
    known = _resumed(path)
    work = [(setting, turn) for turn in range(1, rounds + 1) for setting in wanted]
    for done, (setting, turn) in enumerate(work, 1):
        if setting not in known or known[setting].rounds < turn:
            effort = restarts if turn == 1 else max(1, restarts // 3)
            known[setting] = _searched(setting, known, turn=turn, restarts=effort)
            with path.open("a", encoding="utf-8") as table:
                table.write(json.dumps(known[setting].as_json()) + "\n")
        if progress:
            progress(done, len(work))
    _write(path, known)


def faults(entries: Iterable[AtlasEntry]) -> Iterator[str]:
    """What is wrong with entries: loss, rank or singular values that their logits do not have, or a gradient left over.

    Takes seconds for the whole table; that no better point exists is not among the checks.
    """
    for entry in entries:
        name = f"K={entry.classes}, L={entry.layers}, decay={entry.decay:g}"
        if abs(logits_objective(entry.logits, entry.problem) - entry.loss) > 1e-12:
            yield f"{name}: the loss is not that of the logits"
        values = np.linalg.svd(entry.logits, compute_uv=False)
        if (
            not np.allclose(values[: entry.rank], entry.singular_values, atol=1e-9)
            or (values[entry.rank :] > 1e-9).any()
        ):
            yield f"{name}: rank or singular values are not those of the logits"
        if stationarity(entry.logits, entry.problem) > 1e-9:
            yield f"{name}: the logits are not a critical point"


def _searched(setting: Setting, known: dict[Setting, AtlasEntry], *, turn: int, restarts: int) -> AtlasEntry:
    classes, layers, decay = setting
    starts = tuple(
        entry.logits for other, entry in sorted(known.items()) if turn > 1 and other[0] == classes and entry.rank > 0
    )
    seed = np.random.SeedSequence([classes, layers, round(-np.log2(decay)), turn])
    problem = Problem(classes=classes, layers=layers, decay=decay)
    per_rank = -(-restarts // (classes - 1))
    found = search(problem, restarts=per_rank, starts=starts, generator=np.random.default_rng(seed)).found[0]
    return _entry(setting, found.point, automorphisms=found.automorphisms or 1, rounds=turn)


def _entry(setting: Setting, point: StationaryPoint, *, automorphisms: int, rounds: int) -> AtlasEntry:
    return AtlasEntry(
        *setting,
        loss=point.loss,
        rank=point.rank,
        structure=point.structure,
        automorphisms=automorphisms,
        singular_values=point.singular_values,
        logits=point.logits,
        rounds=rounds,
    )


def _resumed(path: Path) -> dict[Setting, AtlasEntry]:
    """Entries of a table begun earlier, a last line cut short dropped; begins the table if there is none."""
    known = _parsed(path.read_text(encoding="utf-8"), source=str(path)) if path.exists() else {}
    _write(path, known)
    return known


def _write(path: Path, entries: dict[Setting, AtlasEntry]) -> None:
    """Replace the table at once: header, then one line per setting in order."""
    lines = [json.dumps({"atlas": ATLAS_VERSION})]
    lines += [json.dumps(entries[setting].as_json()) for setting in sorted(entries)]
    whole = path.with_name(path.name + ".tmp")
    whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole.replace(path)


@cache
def _shipped() -> dict[Setting, AtlasEntry]:
    return _parsed(
        files("deepcollapse.landscape").joinpath("atlas.jsonl").read_text(encoding="utf-8"), source="the shipped atlas"
    )


def _parsed(text: str, *, source: str) -> dict[Setting, AtlasEntry]:
    """Entries by setting; a last line cut short by an interruption is dropped."""
    lines = text.split("\n")[:-1]
    try:
        header = json.loads(lines[0]) if lines else None
    except ValueError:
        header = lines[0][:40]
    if not isinstance(header, dict) or header.get("atlas") != ATLAS_VERSION:
        raise InvalidInputError(
            f"atlas: expected a table of version {ATLAS_VERSION}, but found {header} in {source}; build it anew"
        )
    found = {}
    for line in lines[1:]:
        fields = json.loads(line)
        shape = (fields["classes"],) * 2
        fields["logits"] = np.array(fields["logits"], dtype=float).reshape(shape)
        fields["singular_values"] = np.array(fields["singular_values"], dtype=float)
        found[fields["classes"], fields["layers"], fields["decay"]] = AtlasEntry(**fields)
    return found
