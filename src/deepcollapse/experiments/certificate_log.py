"""The log of a certified minimum: a line of JSON per box, which other programs can check and a search resumes from."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.certified_minimum import Leaf, first_box
from deepcollapse.ufm import Problem

__all__ = ["CertificateLog"]

_STEP = re.compile(r"\d+[-+]")


@dataclass(frozen=True, slots=True)
class CertificateLog:
    """Leaves of a search, written as they are found; the first line holds the model.

    A line that a crash cut short is dropped when the file is opened, and its box is done again.

    Attributes:
        path: the file.
        leaves: read from it.
    """

    path: Path
    leaves: tuple[Leaf, ...] = ()

    @classmethod
    def open(cls, path: Path, problem: Problem) -> "CertificateLog":
        """Begin a file, or read the one that is there.

        Args:
            path: of the file; its folder must exist.
            problem: what is certified.

        Raises:
            InvalidInputError: a file that cannot be read or written, or that is about another model.
        """
        head = json.dumps(_head(problem)) + "\n"
        try:
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            if not lines or not lines[0].endswith(b"\n"):
                path.write_text(head, encoding="utf-8")
                return cls(path)
            if lines[0] != head.encode():
                raise InvalidInputError(
                    f"log: expected the log of this model, but found another file in {path}; name another"
                )
            leaves, whole = [], len(lines[0])
            for line in lines[1:]:
                if (leaf := _read(line)) is None:
                    break
                leaves.append(leaf)
                whole += len(line)
            os.truncate(path, whole)
            return cls(path, tuple(leaves))
        except OSError as error:
            raise InvalidInputError(
                f"log: expected a file that can be read and written, but found {path} ({error.strerror}); name another"
            ) from None

    def add(self, leaf: Leaf) -> None:
        """Append one leaf."""
        line = json.dumps({"path": "".join(leaf.path), "wrong": leaf.wrong}, separators=(",", ":"))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _head(problem: Problem) -> dict[str, object]:
    return {
        "certificate": "deepcollapse",
        "classes": problem.classes,
        "layers": problem.layers,
        "samples": problem.class_samples[0],
        "decays": list(problem.factor_decays),
        "radius": float(first_box(problem).high[0]),
    }


def _read(line: bytes) -> Leaf | None:
    """The leaf of a line; None if it was cut short or damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
        path, wrong = found["path"], found["wrong"]
        if "".join(steps := _STEP.findall(path)) != path:
            return None
        return Leaf(tuple(steps), None if wrong is None else tuple(map(float, wrong)))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
