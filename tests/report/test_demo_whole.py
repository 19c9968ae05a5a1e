"""The page from results of the packages below: what they emit is what the page reads."""

import json

from deepcollapse.curvature import collapse_spectrum
from deepcollapse.experiments import train_experiment, train_spec
from deepcollapse.report import demo_sections, html
from deepcollapse.simulate import simulate
from deepcollapse.theory import overview
from deepcollapse.ufm import Problem, structures
from report.reading import read


def plain(result):
    return json.loads(json.dumps(result.as_json()))


def test_page_of_small_runs():
    problem = Problem(classes=4, layers=2, decay=2.0**-8)
    found = structures(problem)
    runs = simulate(problem, seeds=3, lr=2.0, steps_max=2000)
    small = ["data.per_class=5", "backbone.hidden=[16]", "head.width=12", "decay.features=1e-3"]
    network = train_experiment(train_spec("digits", [*small, "descent.steps_max=60", "descent.looks=9"]))
    report = demo_sections(
        overview=plain(overview(problem, rigorous=True)),
        spectra={"simplex": collapse_spectrum(problem)},
        ensemble=plain(runs),
        digits=plain(network),
        structures=found,
    )
    page = read(html(report))
    assert page.faults == []
    assert sum(tag == "figure" for tag, _ in page.elements) == 8
    assert "ended after 60 steps without meeting its stopping rule" in page.text
    assert "Interval arithmetic does not prove" in page.text or "Proved in interval arithmetic" in page.text
