import pytest

from deepcollapse.curvature import balanced_spectrum, structure_spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, structure


@pytest.mark.parametrize("name", ["dnc", "paired", "T4", "zero"])
@pytest.mark.parametrize("decay", [0.002, (0.002, 0.002, 0.002), (0.001, 0.002, 0.004)])
def test_it_equals_the_width_rule(name, decay):
    problem = Problem(classes=6, layers=2, width=9, samples=2, decay=decay)
    point = structure(name, problem)
    found, ruled = structure_spectrum(point, problem), balanced_spectrum(point.logits, problem)
    assert found.multiplicities.tolist() == ruled.multiplicities.tolist()
    assert found.eigenvalues == pytest.approx(ruled.eigenvalues, abs=1e-9 * problem.mean_decay)


def test_the_squared_error_has_no_closed_form_but_a_spectrum():
    problem = Problem(classes=4, layers=2, width=5, loss="mse", decay=0.005)
    assert structure_spectrum(structure("dnc", problem), problem).verdict == "Morse-Bott minimum"


def test_trial_points_are_refused():
    problem = Problem(classes=5, layers=2)
    message = "structure: expected a critical point, but found the trial point 'paired-trial'; take the minimum"
    with pytest.raises(InvalidInputError, match=message):
        structure_spectrum(structure("paired-trial", problem), problem)
