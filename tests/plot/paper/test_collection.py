"""From a store to figures: which can be drawn, what they say, and that the files are the same each time."""

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import NUMBERS, PaperFigure, SkippedFigure, paper_figures, write_paper_figures
from deepcollapse.store import Store
from plot.paper.stores import do, filled, queued, simulated, trained


@pytest.fixture(scope="module")
def found(store):
    return {figure.number: figure for figure in paper_figures(store)}


def test_every_figure_whose_runs_are_there_is_drawn(found):
    assert tuple(found) == NUMBERS == ("1", "2", "3", "4", "5", "6", "6b", "T5")
    assert [number for number, figure in found.items() if isinstance(figure, SkippedFigure)] == ["6b"]


def test_a_missing_figure_says_what_makes_it(found, store):
    assert found["6b"].reason == (
        "E7: expected finished runs with kind train, activation relu, decay_kind ufm, but found none among 1 of 1 that "
        f"are done; do them with deepcollapse reproduce --size small --store {store.path} --only E7"
    )
    assert found["6b"].as_json() == {"figure": "6b", "parts": ["E7"], "reason": found["6b"].reason}


def test_captions_say_settings_and_whose_data(found):
    for number in ("1", "2", "3", "4", "5", "6"):
        assert f"As in the paper's Figure {number}." in found[number].caption
        assert found[number].caption.endswith("Data of deepcollapse's own runs; arXiv 2410.23169 published none.")
    assert (
        "Settings of all its runs: K = 4, L = 2, n = 1, λ = 2⁻⁵, cross-entropy, linear, Gaussian" in found["2"].caption
    )
    assert "digits, MLP, L = 3, d = 12" in found["3"].caption


def test_settings_that_parts_do_not_share_are_said_of_each(tmp_path):
    parts = {"E4-one": [trained(0)], "E4-two": [trained(0, batches={"size": 50})]}
    (figure,) = paper_figures(filled(tmp_path / "store", parts), only=["3"])
    assert isinstance(figure, PaperFigure)
    assert "momentum 0.9; E4-two: batch 50. Data" in figure.caption


def test_every_figure_says_how_many_runs_it_shows(found):
    counts = {number: figure.figure.get_supxlabel() for number, figure in found.items() if number != "6b"}
    assert counts["1"] == "4 runs: 4 decided (paired 3, dnc 1)."
    assert counts["2"] == "24 runs: 24 decided."
    assert counts["3"] == "2 runs: 0 converged, 2 still moved at the horizon."
    assert counts["5"].startswith("12 runs: 8 decided, 4 undecided.")
    assert counts["6"].startswith("4 runs: 4 decided.")
    assert counts["T5"] == "24 runs: 24 decided. R(d): collapse over paired, rank 2."


def test_the_runs_behind_a_figure_are_named(found, store):
    assert found["2"].runs == found["T5"].runs
    assert len(found["2"].runs) == 6
    assert set(found["2"].runs) <= store.done()
    assert found["2"].as_json()["runs"] == list(found["2"].runs)


def test_some_figures_only_and_their_files(found, store, tmp_path):
    again = paper_figures(store, only=["T5", "2"])
    assert [figure.number for figure in again] == ["2", "T5"]
    files = write_paper_figures(tmp_path / "again", again)
    assert [path.name for path in files["T5"]] == ["figure-T5.pdf", "figure-T5.png"]
    write_paper_figures(tmp_path / "first", [found["2"], found["T5"]])
    for file in sorted((tmp_path / "first").iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    captions = (tmp_path / "first" / "captions.md").read_text(encoding="utf-8")
    assert captions == f"**Figure 2.** {found['2'].caption}\n\n**Figure of claim T5.** {found['T5'].caption}\n"


def test_a_figure_that_is_skipped_now_leaves_no_older_files(found, tmp_path):
    write_paper_figures(tmp_path, [found["2"], found["T5"]])
    (tmp_path / "figure-T5.txt").touch()
    skipped = {number: SkippedFigure(number=number, parts=(), reason="") for number in ("2", "T5")}
    write_paper_figures(tmp_path, [found["2"], skipped["T5"]])
    kept = ["captions.md", "figure-2.pdf", "figure-2.png", "figure-T5.txt"]
    assert sorted(file.name for file in tmp_path.iterdir()) == kept
    (tmp_path / "figure-T5.txt").unlink()
    write_paper_figures(tmp_path, list(skipped.values()))
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_captions_that_is_not_ours_stays(tmp_path):
    (tmp_path / "captions.md").touch()
    write_paper_figures(tmp_path, [SkippedFigure(number="2", parts=(), reason="")])
    assert (tmp_path / "captions.md").exists()


def test_nothing_drawn_writes_no_captions(tmp_path):
    assert write_paper_figures(tmp_path / "none", []) == {}
    assert not (tmp_path / "none").exists()


def test_progress_counts_figures(store):
    seen = []
    paper_figures(store, only=["1", "6b"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_unknown_figures_are_refused(store):
    with pytest.raises(
        InvalidInputError, match=r"figure: expected some of 1, 2, 3, .*, T5, but found 7; choose from these"
    ):
        paper_figures(store, only=["1", "7"])


def test_what_one_plan_lacks_is_taken_from_another(tmp_path):
    store = filled(tmp_path / "store", {"E2": [simulated()]}, name="reproduction small of E2")
    filled(tmp_path / "store", {"E1": [simulated()], "E2": [simulated(width=5)]}, name="reproduction quick")
    first, second, third = paper_figures(store, only=["1", "2", "5"])
    assert isinstance(first, PaperFigure)
    assert isinstance(second, PaperFigure)
    assert (first.plan, second.plan) == ("reproduction quick", "reproduction small of E2")
    assert isinstance(third, SkippedFigure)
    assert "E3: expected a part of that name in the plan 'reproduction small of E2'" in third.reason
    (chosen,) = paper_figures(store, only=["2"], plan="reproduction quick")
    assert isinstance(chosen, PaperFigure)
    assert chosen.runs != second.runs


def test_a_plan_half_done_is_drawn_and_says_so(tmp_path):
    store = Store.create(tmp_path / "store")
    runs = queued({"E2": [simulated(width=width, init_scale=scale) for scale in range(1, 11) for width in (4, 6)]})
    store.enqueue("half", runs, {})
    for run in runs[:-1]:
        do(store, run)
    (figure,) = paper_figures(store, only=["2"])
    assert isinstance(figure, PaperFigure)
    note = figure.figure.get_supxlabel().replace("\n", " ")
    assert note.endswith("Not shown: init scale 9; init scale 10. 19 of 20 planned runs are done.")
