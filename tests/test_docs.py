"""The pages of the documentation say what is true: their code runs and prints what they show, their commands exist.

Blocks of language ``pycon`` are doctests. In tutorials a ``python`` block is followed by a ``text`` block with what it
prints; numbers there agree to two units of their last digit, because trained networks differ in the last digits between
machines.
"""

import contextlib
import doctest
import io
import itertools
import json
import re
import shlex
import tomllib
from pathlib import Path

import matplotlib
import pytest

from deepcollapse.cli.app import app
from deepcollapse.store import Store
from deepcollapse.store.layout import FOLDERS
from deepcollapse.sweep import plan

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
    for words in typed(page):
        if words[0] != "--help":
            app.parse_args(words, exit_on_error=False, print_error=False)


def typed(page: Path) -> list[list[str]]:
    """The arguments of each line that begins with the program, without what the shell does with the output."""
    text = "\n" + "\n".join(blocks(page, "sh"))
    found = []
    for command in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        if command.startswith("deepcollapse "):
            words = shlex.shlex(command, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            found.append(list(itertools.takewhile(lambda word: word not in {"|", ">", "&&"}, words))[1:])
    return found


@pytest.mark.parametrize("page", ["sweeps.md", "reference/runs.md"])
def test_the_plans_of_a_page_can_be_run(page: str):
    plans = [plan(tomllib.loads(text)) for text in blocks(DOCS / page, "toml")]
    assert plans
    if page == "sweeps.md":
        assert [len(found.ids) for found in plans] == [60]


def test_the_store_has_the_folders_of_the_page(tmp_path: Path):
    Store.create(tmp_path / "store")
    page = (DOCS / "reference" / "runs.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^  (\w+)/", page, re.MULTILINE))
    assert shown == set(FOLDERS) == {path.name for path in (tmp_path / "store").iterdir() if path.is_dir()}


class TestGenerated:
    """What the pages take from the code when they are built."""

    @pytest.fixture(autouse=True)
    def extensions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("sphinx")
        monkeypatch.syspath_prepend(str(DOCS / "_ext"))

    def test_every_key_of_a_document_is_explained(self):
        import documents
        import reference_tables

        page = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
        told = dict(re.findall(r"```\{json-document\} (\w+)\n(.*?)```", page, re.DOTALL))
        assert set(told) == set(documents.COMMANDS)
        for command, content in told.items():
            found = documents.document(command)
            paths = [path for path, _ in documents.rows(found)]
            wrong = reference_tables.explained(content.splitlines(), paths, required=found)[1]
            assert wrong == [], command

    def test_every_column_is_explained(self):
        import reference_tables

        page = (DOCS / "reference" / "runs.md").read_text(encoding="utf-8")
        told = dict(re.findall(r"```\{row-columns\} (\w+)\n(.*?)```", page, re.DOTALL))
        assert set(told) == {"all", "theory", "landscape", "simulate", "train"}
        for kind, content in told.items():
            columns = reference_tables.row_columns(kind)
            assert reference_tables.explained(content.splitlines(), list(columns), required=columns)[1] == [], kind

    def test_a_formula_needs_no_script(self):
        mathml = pytest.importorskip("mathml").mathml
        assert "<mfrac>" in mathml(r"\frac12 A\T B", block=True)
        assert mathml(r"\lVert x\rVert", block=False).count('stretchy="false"') == 2

    def test_results_are_those_of_the_ledger(self, tmp_path: Path):
        from results_ledger import markdown

        assert "deepcollapse reproduce" in markdown(tmp_path)
        claim = {"id": "T1", "title": "a | b", "setting": "s", "paper": "p", "ours": "o", "reason": "", "numbers": {}}
        ledger = {"size": "quick", "plan": "p", "claims": [claim | {"verdict": "reproduced", "runs": ["1"]}]}
        (tmp_path / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
        found = markdown(tmp_path)
        assert r"| [T1](#claim-t1) | a \| b | **reproduced** |" in found
        assert "reasons" not in found

    def test_a_figure_has_its_caption(self, tmp_path: Path):
        from results_ledger import markdown

        figures = tmp_path / "figures"
        figures.mkdir()
        for stem in ("figure-6", "figure-6b", "other"):
            (figures / f"{stem}.png").touch()
        (figures / "captions.md").write_text("**Figure 6.** Losses.\n\n**Figure 6b.** Networks.\n", encoding="utf-8")
        (tmp_path / "ledger.json").write_text(json.dumps({"size": "quick", "plan": "p", "claims": []}))
        found = markdown(tmp_path)
        for stem, caption in (("figure-6", "**Figure 6.** Losses."), ("figure-6b", "**Figure 6b.** Networks.")):
            assert f"results/figures/{stem}.png\n:alt: {stem.replace('-', ' ')}\n\n{caption}\n" in found
        assert "results/figures/other.png\n:alt: other\n\nother\n" in found

    def test_docstrings_become_text(self):
        from docstrings import as_rst

        assert as_rst(["||A||^2 and x_k * y_", "", "Args:", "    a_b: |z|", "", ">>> a * b"]) == [
            r"\|\|A\|\|^2 and x\_k \* y\_",
            "",
            "Args:",
            r"    a_b: \|z\|",
            "",
            ">>> a * b",
        ]

    def test_commands_are_those_of_the_program(self):
        import cli_reference

        assert cli_reference.command_names() == [name for name in app if not name.startswith("-")]
        assert "`--rigorous`" in cli_reference.markdown("theory", level=3)
