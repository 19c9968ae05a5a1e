"""The ended runs of an ensemble in a file, so that a long simulation can be stopped at any time and gone on with."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, Initialisation, LayerDistances, Nearest, Run, Verdict
from deepcollapse.ufm import Problem, Reading

__all__ = ["KeptRuns", "run_settings"]


@dataclass(frozen=True, slots=True)
class KeptRuns:
    """Ended runs, each written as one line of JSON as soon as it ends; the first line holds the settings.

    A line that a crash cut short is dropped when the file is opened, and its run is done again. A line takes about 20
    bytes per entry of the K x K logits.

    Attributes:
        path: the file.
        ended: run by seed; None where it diverged.
    """

    path: Path
    ended: dict[int, Run | None] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, object]) -> "KeptRuns":
        """Begin a file, or go on with the one that is there.

        Args:
            path: of the file; its folder must exist.
            settings: all that the runs depend on but their seed, in plain JSON types.

        Raises:
            InvalidInputError: a file that cannot be read or written, is none of this kind, or has other settings.
        """
        try:
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            kept = cls(path)
            if lines:
                kept._expect(settings, lines[0])
                whole = [line for line in lines[1:] if line.endswith(b"\n")]
                kept.ended.update(map(_read, whole))
                os.truncate(path, sum(map(len, [lines[0], *whole])))
            else:
                path.write_text(json.dumps({"settings": settings}) + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(
                f"keep: expected a file that can be read and written, but found {path} ({error.strerror}); name another"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(
                f"keep: expected runs kept by simulate, but found something else in {path}; name another file"
            ) from None
        return kept

    def add(self, seed: int, run: Run | None) -> None:
        """Write the end of a run; None for one that diverged."""
        self.ended[seed] = run
        record = {"seed": seed, "run": None if run is None else _plain(asdict(run))}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _expect(self, settings: Mapping[str, object], line: bytes) -> None:
        found = json.loads(line)["settings"]
        wanted = json.loads(json.dumps(settings))
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                raise InvalidInputError(
                    f"keep: expected runs with {name} = {wanted.get(name)!r}, but found {found.get(name)!r} in "
                    f"{self.path}; name another file"
                )


def run_settings(
    problem: Problem, descent: Descent, *, initialisation: Initialisation, **others: object
) -> dict[str, object]:
    """All that a run depends on but its seed, by name, in plain JSON types."""
    optimiser = {"optimiser": {"name": descent.optimiser.name} | asdict(descent.optimiser)}
    return {**asdict(problem), **asdict(descent), **optimiser, **asdict(initialisation), **others}


def _plain(value: object) -> object:
    """Arrays as lists, all the way down."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _read(line: bytes) -> tuple[int, Run | None]:
    record = json.loads(line)
    if record["run"] is None:
        return record["seed"], None
    run, verdict = record["run"], record["run"]["verdict"]
    arrays = {name: np.array(verdict["reading"][name]) for name in ("logits", "singular_values")}
    layers = LayerDistances(**{name: tuple(verdict["layers"][name]) for name in ("before", "after")})
    parts = {
        "reading": Reading(**verdict["reading"] | arrays),
        "nearest": Nearest(**verdict["nearest"]),
        "layers": layers,
    }
    return record["seed"], Run(**run | {"verdict": Verdict(**verdict | parts)})
