"""Standard output and standard error that take any text, and readers that leave early."""

import codecs
import io
import os
import sys
import unicodedata
from typing import Any

from rich.console import Console

__all__ = ["Screen", "encodable", "open_streams", "settle_streams", "write"]

_REPLACING = "deepcollapse.replacing"
_SIGNS = {"—": "-", "–": "-", "−": "-", "…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "→": "->", "×": "x"}
_SIGNS |= {"·": "*", "•": "*", "‘": "'", "’": "'", "“": '"', "”": '"', "λ": "lambda", "Λ": "Lambda"}


class Screen(Console):
    """Rich's console, but a reader that leaves does not end the command: what it has yet to write goes nowhere."""

    def __init__(self, *, error: bool = False) -> None:
        super().__init__(file=_stream(error))  # named, as Rich takes the encoding of an unnamed one for UTF-8

    def on_broken_pipe(self) -> None:
        """Rich calls this instead of raising ``BrokenPipeError``."""
        _discard(self.file)


def open_streams() -> None:
    """Let standard output and error replace what their encoding lacks, and go nowhere where they are closed."""
    codecs.register_error(_REPLACING, _replaced)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACING)


def encodable(text: str) -> str:
    """The text as standard output shows it, so that a table can be laid out for it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, _REPLACING).decode(encoding)


def write(text: str, *, error: bool = False) -> None:
    """Write to standard output, or standard error; nothing happens where its reader has left."""
    stream = _stream(error)
    try:
        stream.write(text)
    except BrokenPipeError:
        _discard(stream)


def settle_streams() -> None:
    """Write out what is buffered, or drop it where that fails, so that the interpreter can end in peace.

    Raises:
        OSError: standard output cannot be written, for another reason than that its reader has left.
    """
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except BrokenPipeError:
            _discard(stream)
        except OSError:
            _discard(stream)
            raise


def _stream(error: bool) -> Any:
    return sys.stderr if error else sys.stdout


def _discard(stream: Any) -> None:
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def _ascii(character: str) -> str:
    """What ASCII has for a sign: the letter without its accent, the word for a Greek letter, lines of tables."""
    parts = "".join(_SIGNS.get(part, part) for part in unicodedata.normalize("NFKD", _SIGNS.get(character, character)))
    plain = parts.encode("ascii", "ignore").decode("ascii")
    name = unicodedata.name(character, "")
    if plain or unicodedata.combining(character):
        return plain
    if name.startswith("GREEK "):
        word = name.partition(" LETTER ")[2].partition(" ")[0]
        return word.capitalize() if character.isupper() else word.lower()
    if name.startswith("BOX DRAWINGS "):
        return "+" if " AND " in name else "-" if "HORIZONTAL" in name else "|"
    return "?"
