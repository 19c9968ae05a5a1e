"""The pages of the documentation say what is true: their code runs and prints what they show, their commands exist.

Blocks of language ``pycon`` are doctests. In tutorials a ``python`` block is followed by a ``text`` block with what it
prints; numbers there agree to two units of their last digit, because trained networks differ in the last digits between
machines.
"""

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path

import matplotlib
import pytest

from deepcollapse.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if not {"_ext", "gallery"} & set(page.parts)]
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


DOCTESTS = [page for page in PAGES if blocks(page, "pycon")]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the pages are saved to a folder that is thrown away."""
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", DOCTESTS, ids=name)
def test_the_numbers_of_a_page_are_those_of_the_package(page: Path):
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(page, "pycon")), {}, page.name, name(page), 0)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    failed = runner.run(test, out=report.write).failed
    assert failed == 0, report.getvalue()


@pytest.mark.parametrize("page", TUTORIALS, ids=name)
def test_a_tutorial_prints_what_it_shows(page: Path):
    names: dict[str, object] = {"__name__": "__main__"}
    pairs = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", page.read_text(encoding="utf-8"), re.DOTALL)
    assert pairs
    for code, shown in pairs:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name(page), "exec"), names)
        assert_printed(printed.getvalue(), shown)


def assert_printed(printed: str, shown: str) -> None:
    """The same words, and numbers within two units of the last digit that is shown."""
    assert NUMBER.sub("0", printed).split() == NUMBER.sub("0", shown).split()
    for found, text in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        digits, _, exponent = text.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        assert abs(float(found) - float(text)) <= 2.001 * unit, f"{found} where {text} is shown:\n{printed}"


def test_numbers_that_differ_are_told_apart():
    assert_printed("loss 0.0801, 12 runs\n", "loss 0.0802, 11 runs")
    with pytest.raises(AssertionError, match=r"0\.0806 where 0\.0802"):
        assert_printed("loss 0.0806\n", "loss 0.0802\n")
    with pytest.raises(AssertionError):
        assert_printed("rank 4\n", "depth 4\n")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=name)
def test_commands_of_a_page_can_be_typed(page: Path):
    for line in command_lines(page):
        words = shlex.split(line, comments=True)[1:]
        if words and words[0] != "--help":
            app.parse_args(words, exit_on_error=False, print_error=False)


def command_lines(page: Path) -> list[str]:
    """Lines that begin with the program, without what the shell does with their output."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    return [re.split(r" [|>] | && ", line)[0] for line in text.splitlines() if line.startswith("deepcollapse")]
