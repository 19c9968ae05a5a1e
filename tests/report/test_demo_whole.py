"""The page from results of the packages below: what they emit is what the page reads."""

import json

from deepcollapse.curvature import collapse_spectrum
from deepcollapse.experiments import DigitsSpec, digits_experiment
from deepcollapse.networks import Descent
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
    network = digits_experiment(DigitsSpec(per_class=5, hidden=(16,), width=12, descent=Descent(steps_max=60, looks=9)))
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
    assert "cut off after 60 steps without meeting its stopping rule" in page.text
    assert "Interval arithmetic does not prove" in page.text or "Proved in interval arithmetic" in page.text
