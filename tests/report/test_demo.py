import csv
import io
import json

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.report import Report, demo_sections, html
from deepcollapse.report.ensemble import ensemble_section
from deepcollapse.report.network import network_section
from deepcollapse.ufm import structures
from report import fakes
from report.reading import read


def demo(**changes):
    found = structures(fakes.PROBLEM)
    given = {
        "overview": fakes.overview(found),
        "spectra": fakes.SPECTRA,
        "ensemble": fakes.ensemble(),
        "digits": fakes.digits(),
        "structures": found,
    }
    return demo_sections(**(given | changes))


def rows(picture):
    return list(csv.DictReader(io.StringIO(picture.data.csv)))


@pytest.fixture(scope="module")
def report():
    return fakes.report()


def test_takes_what_comes_back_from_json(report):
    given = {
        "overview": json.loads(json.dumps(fakes.overview())),
        "ensemble": json.loads(json.dumps(fakes.ensemble())),
        "digits": json.loads(json.dumps(fakes.digits())),
    }
    assert html(demo(**given)) == html(report)


def test_sections(report):
    assert [section.heading for section in report.sections] == [
        "Solutions and what they cost",
        "What is proved",
        "Curvature at the solutions",
        "Where gradient descent ends",
        "A network on images of digits",
    ]


def test_collapse_is_pictured_beside_the_cheapest(report):
    logits, values = report.sections[0].pictures
    assert "simplex (rank 9), paired (rank 5), T5 (rank 4)" in logits.caption
    found = {one.name: one for one in structures(fakes.PROBLEM)}
    for name in ("simplex", "paired", "T5"):
        entries = [float(row["logit"]) for row in rows(logits) if row["structure"] == name]
        np.testing.assert_array_equal(np.reshape(entries, (10, 10)), found[name].logits)
        listed = [float(row["singular_value"]) for row in rows(values) if row["structure"] == name]
        np.testing.assert_array_equal(listed, found[name].singular_values)
    assert values.description.startswith("simplex: 9 of 15.74; paired: 5 of 31.52; T5: 4 of 44.92")


def test_structures_are_held_against_collapse(report):
    table = report.sections[0].tables[0]
    cells = {row[0]: row[3] for row in table.rows}
    assert cells["paired"] == "−11.7 %"
    assert cells["simplex"] == "equal"
    assert cells["zero"] == "+2,440 %"
    assert [row[0] for row in table.rows][:2] == ["paired", "T5"]


def test_theorems_are_listed(report):
    assert report.sections[1].tables[0].rows == [
        ("T1", True, True, "no DNC point is a global minimum"),
        ("T7", False, None, "the same for ReLU networks"),
    ]


def test_spectra_are_given_in_full(report):
    (picture,) = report.sections[2].pictures
    listed = [row for row in rows(picture) if row["solution"] == "simplex"]
    assert [float(row["eigenvalue"]) for row in listed] == fakes.SPECTRA["simplex"].eigenvalues.tolist()
    assert sum(int(row["multiplicity"]) for row in listed) == fakes.SPECTRA["simplex"].parameters
    assert "a local minimum. At partition-2-2-2-4, 5 of the 10,683 eigenvalues are negative" in picture.caption


def test_endpoints_are_those_of_the_runs(report):
    section = report.sections[3]
    losses = [float(row["endpoint_loss"]) for row in rows(section.pictures[0])]
    assert losses == fakes.ensemble()["losses"]
    assert dict(section.tables[0].rows) == fakes.ensemble()["structures"]
    assert "52 of the 64 runs with a recorded loss ended below the DNC bound." in section.pictures[0].caption


def test_runs_without_a_loss_are_left_out():
    losses = [*fakes.ensemble()["losses"][:-2], None, float("nan")]
    section = ensemble_section(fakes.overview(), fakes.ensemble() | {"losses": losses})
    assert len(rows(section.pictures[0])) == 62


def test_runs_may_all_be_without_a_loss():
    section = ensemble_section(fakes.overview(), fakes.ensemble() | {"losses": [None], "structures": {}})
    assert "No loss was recorded." in section.pictures[0].caption
    assert read(html(Report(title="t", sections=(section,)))).faults == []


def test_network_is_given_in_full(report):
    trajectory, logits, values, depth = report.sections[4].pictures
    seen, digits = rows(trajectory), fakes.digits()
    assert [int(row["steps"]) for row in seen] == digits["trajectory"]["steps"]
    assert [float(row["objective"]) for row in seen] == digits["trajectory"]["objective"]
    assert [float(row["singular_value_10"]) for row in seen] == [
        row[9] for row in digits["trajectory"]["singular_values"]
    ]
    assert [float(row["singular_value"]) for row in rows(values)] == digits["singular_values"]
    drawn = [[float(row[f"class_{index}"]) for index in range(10)] for row in rows(logits)]
    assert drawn == digits["logits"] == logits.figure.axes[0].get_images()[0].get_array().tolist()
    assert [row["nc1_quotient"] for row in rows(depth)] == ["0.31", "0.021", ""]
    assert [row["cdnv"] for row in rows(depth)] == ["0.155", "", ""]
    assert depth.figure.axes[2].lines[0].get_ydata()[:2].tolist() == [5, 4]
    titles = ["NC1, quotient", "CDNV", "rank of the class means", "NC2, equal norms", "NC2, equal angles"]
    assert [axes.get_title(loc="left") for axes in depth.figure.axes] == [*titles, "NC2, simplex"]


def test_without_metrics_there_is_no_figure_of_them():
    assert len(network_section(fakes.digits() | {"layers": []}).pictures) == 3


def test_where_collapse_does_not_exist():
    found = tuple(one for one in structures(fakes.PROBLEM) if one.name != "simplex")
    overview = fakes.overview()
    overview["dnc"] |= {"exists": False, "loss": None, "stable": None}
    overview["structures"] = [one for one in overview["structures"] if one["name"] != "simplex"]
    report = demo(
        overview=overview, structures=found, digits=fakes.digits() | {"dnc_bound": None, "undefined": "too narrow"}
    )
    page = read(html(report))
    assert page.faults == []
    assert "does not exist" in page.text
    assert "There is no DNC bound here." in page.text
    assert "DNC bound 0" not in page.text
    assert "against DNC" not in page.text


def test_hostile_names_stay_text():
    evil = "<script>alert(1)</script>"
    overview = fakes.overview()
    overview["structures"][0] |= {"name": evil}
    page = read(html(demo(overview=overview, ensemble=fakes.ensemble() | {"structures": {evil: 3}})))
    assert page.faults == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert evil in page.words


def test_needs_a_structure_to_draw():
    zero = tuple(one for one in structures(fakes.PROBLEM) if one.rank == 0)
    with pytest.raises(InvalidInputError, match="structures: expected at least one besides zero, but found none"):
        demo(structures=zero)
