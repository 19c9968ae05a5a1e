from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import logits_figure
from deepcollapse.report import Picture, Report, Section, Table, html, write_report
from report.fakes import report as demonstration
from report.reading import read

HOSTILE = "<script>alert('x')</script>\"&amp; {{ 7 * 7 }} $\\frac$"


def small(text="plain"):
    table = Table({text: [text, None], "rank": [9, 5], "loss": [0.09066218, 1e-7]}, caption=text)
    picture = Picture(logits_figure([np.eye(3)], [text]), caption=text, description=text, data=table)
    section = Section(heading=text, prose=(text,), pictures=(picture,), tables=(table,))
    return Report(title=text, lead=(text,), sections=(section, section))


@pytest.fixture(scope="module")
def text():
    return html(demonstration())


@pytest.fixture(scope="module")
def page(text):
    return read(text)


def test_is_well_formed(page):
    assert page.faults == []
    assert read(html(Report(title="nothing"))).faults == []


def test_asks_the_network_for_nothing(page, text):
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "img", "object", "base"} == set()
    references = page.attributes("href") + page.attributes("src")
    assert references
    assert all(reference.startswith(("#", "data:")) for reference in references)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_names_are_unique_and_links_arrive(page):
    names = page.attributes("id")
    assert len(set(names)) == len(names)
    targets = [reference[1:] for reference in page.attributes("href") if reference.startswith("#")]
    assert set(targets) <= set(names)
    headings = [values["id"] for tag, values in page.elements if tag == "h2"]
    assert len(headings) == 5
    assert set(headings) <= set(targets)


def test_every_figure_speaks_and_offers_its_numbers(page):
    drawings = [values for tag, values in page.elements if tag == "svg"]
    assert len(drawings) == sum(tag == "figure" for tag, _ in page.elements) == 8
    assert all(values["role"] == "img" and len(values["aria-label"]) > 20 for values in drawings)
    files = [values["download"] for _, values in page.elements if "download" in values]
    assert len(set(files)) == 8


def test_data_are_those_of_the_table():
    values = next(values for _, values in read(html(small())).elements if "download" in values)
    kind, _, text = values["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert unquote(text) == small().sections[0].pictures[0].data.csv


def test_equal_reports_give_equal_pages():
    assert html(small()) == html(small())


def test_text_is_text():
    page = read(html(small(HOSTILE)))
    assert page.faults == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.words.count(HOSTILE) >= 10
    assert HOSTILE in page.attributes("aria-label")


def test_headings_that_repeat_get_names_of_their_own():
    sections = tuple(
        Section(heading=heading) for heading in ("One thing", "One thing", "?!", "One thing 2", "One thing")
    )
    page = read(html(Report(title="t", sections=sections)))
    assert [values["id"] for tag, values in page.elements if tag == "h2"] == [
        "one-thing",
        "one-thing-2",
        "section",
        "one-thing-2-2",
        "one-thing-3",
    ]


def test_numbers_are_set_right_and_missing_ones_are_dashes():
    page = read(html(small()))
    cells = [values.get("class") for tag, values in page.elements if tag == "td"]
    assert cells[:6] == [None, "number", "number"] * 2
    assert {"0.090662", "1e-07", "–"} <= set(page.words)


def test_writes_into_a_new_folder(tmp_path: Path):
    target = write_report(tmp_path / "a" / "index.html", small())
    assert target == tmp_path / "a" / "index.html"
    assert target.read_text(encoding="utf-8") == html(small())
    assert [file.name for file in target.parent.iterdir()] == ["index.html"]


def test_replaces_an_old_page(tmp_path: Path):
    write_report(tmp_path / "index.html", small())
    write_report(tmp_path / "index.html", Report(title="new"))
    assert "new" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_report(tmp_path / "index.html", small())
    before = (tmp_path / "index.html").read_bytes()

    def full(self: Path, text: str, **_: object) -> None:
        self.write_bytes(text.encode()[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InvalidInputError, match=r"No space left on device\); choose another"):
        write_report(tmp_path / "index.html", Report(title="new"))
    assert (tmp_path / "index.html").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_says_where_it_cannot_write(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidInputError, match=r"report: expected a file that can be written, but found '.*file"):
        write_report(tmp_path / "file" / "page.html", small())
    with pytest.raises(InvalidInputError, match=r"Not a directory\); choose another"):
        write_report(tmp_path / "file" / "below" / "page.html", small())
    (tmp_path / "index.html").mkdir()
    with pytest.raises(InvalidInputError, match=r"Is a directory\); choose another"):
        write_report(tmp_path / "index.html", small())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "index.html"]
