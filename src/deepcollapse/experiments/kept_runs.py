"""The ended runs of an ensemble in a file, so that a long simulation can be stopped and resumed at any time."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.replacing import replace_file
from deepcollapse.simulate import Descent, Initialisation, Nearest, Run, Verdict
from deepcollapse.ufm import LayerDistances, Problem, Reading

__all__ = ["KeptRuns", "run_settings"]


@dataclass(frozen=True, slots=True)
class KeptRuns:
    """Ended runs, each written as one line of JSON as soon as it ends; the first line holds the settings.

    Each line carries the SHA-256 of the settings and its run. A line that was cut short or damaged is dropped when the
    file is opened, and its run is done again; a damaged first line is written again if the file has runs of these
    settings, or nothing else. A line takes about 20 bytes per entry of the K x K logits.

    Attributes:
        path: the file.
        settings: all that the runs depend on but their seed, as JSON.
        ended: run by seed; None where it diverged.
    """

    path: Path
    settings: str
    ended: dict[int, Run | None] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, object]) -> "KeptRuns":
        """Begin a file, or resume from the one that is there.

        Args:
            path: of the file; its folder must exist.
            settings: all that the runs depend on but their seed, in plain JSON types.

        Raises:
            InvalidInputError: a file that cannot be read or written, is none of this kind, or has other settings.
        """
        kept = cls(path, json.dumps(settings))
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = kept._recovered(content)
            if whole != content:
                replace_file(path, whole)
        except OSError as error:
            reason = error.strerror or error
            raise InvalidInputError(
                f"keep: expected a file that can be read and written, but found {path} ({reason}); name another"
            ) from None
        return kept

    def add(self, seed: int, run: Run | None) -> None:
        """Write the end of a run; None for one that diverged."""
        self.ended[seed] = run
        record = {"seed": seed, "run": None if run is None else _plain(asdict(run))}
        with self.path.open("ab") as file:
            file.write(_line(record | {"sha256": self._digest(record)}))

    def _recovered(self, content: bytes) -> bytes:
        """The content without its damage; what it holds of these settings is remembered."""
        first, *others = content.splitlines(keepends=True) or [b""]
        header = _line({"settings": json.loads(self.settings), "sha256": self._digest({})})
        lines = [line for line in others if self._remembers(line)]
        if first.rstrip(b"\n") != header.rstrip(b"\n") and not lines:
            self._expect_own(first, header, others)
        return b"".join([header, *lines])

    def _remembers(self, line: bytes) -> bool:
        with suppress(InvalidInputError):
            record = json_object(line, {"seed": int, "sha256": str})
            digest = record.pop("sha256")
            if line.endswith(b"\n") and digest == self._digest(record):
                self.ended[record["seed"]] = _run(record["run"])
                return True
        return False

    def _expect_own(self, first: bytes, header: bytes, others: list[bytes]) -> None:
        """Nothing for a beginning of our header that nothing follows."""
        if not others and header.startswith(first):
            return
        try:
            found = json_object(first, {"settings": dict})["settings"]
        except InvalidInputError:
            found = {}
        wanted = json.loads(self.settings)
        for name in sorted({*found, *wanted} if found else ()):
            if found.get(name) != wanted.get(name):
                raise InvalidInputError(
                    f"keep: expected runs with {name} = {wanted.get(name)!r}, but found {found.get(name)!r} in "
                    f"{self.path}; name another file"
                )
        raise InvalidInputError(
            f"keep: expected runs kept by simulate, but found something else in {self.path}; name another file"
        )

    def _digest(self, record: Mapping[str, Any]) -> str:
        return sha256((self.settings + json.dumps(record)).encode()).hexdigest()


def run_settings(
    problem: Problem, descent: Descent, *, initialisation: Initialisation, **others: object
) -> dict[str, object]:
    """All that a run depends on but its seed, by name, in plain JSON types."""
    optimiser = {"optimiser": {"name": descent.optimiser.name} | asdict(descent.optimiser)}
    return {**asdict(problem), **asdict(descent), **optimiser, **asdict(initialisation), **others}


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _plain(value: object) -> object:
    """Arrays as lists, all the way down."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _run(run: dict[str, Any] | None) -> Run | None:
    if run is None:
        return None
    verdict = run["verdict"]
    arrays = {name: np.array(verdict["reading"][name]) for name in ("logits", "singular_values")}
    layers = LayerDistances(**{name: tuple(verdict["layers"][name]) for name in ("before", "after")})
    parts = {
        "reading": Reading(**verdict["reading"] | arrays),
        "nearest": Nearest(**verdict["nearest"]),
        "layers": layers,
    }
    whole: dict[str, Any] = {**run, "verdict": Verdict(**verdict | parts)}
    return Run(**whole)
