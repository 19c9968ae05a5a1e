import pytest

from deepcollapse.curvature import Spectrum, collapse_spectrum
from deepcollapse.report import captions
from report import fakes


def overview(**dnc):
    found = fakes.overview()
    found["dnc"] |= dnc
    return found


class TestCostOfCollapse:
    def test_something_is_cheaper(self):
        text = captions.cost_of_collapse(overview())
        assert text == (
            "The lowest loss of the 15 structures compared is that of paired (rank 5), with 0.080013. Deep neural "
            "collapse (DNC) costs 0.090662, 13.3 % more, so it is not the global minimum."
        )

    def test_linear_collapse_bounds_that_of_relu_networks(self):
        found = overview()
        found["problem"]["activation"] = "relu"
        assert "(DNC) costs at least 0.090662, 13.3 % more" in captions.cost_of_collapse(found)
        found["structures"] = found["structures"][-1:]
        assert "(DNC), with at least 0.090662" in captions.cost_of_collapse(found)

    def test_nothing_is_cheaper(self):
        found = overview()
        found["structures"] = [one for one in found["structures"] if one["name"] in ("simplex", "zero")]
        text = captions.cost_of_collapse(found)
        assert text.startswith("None of the 2 structures compared has a lower loss")
        assert "no proof that DNC is the global minimum" in text

    def test_rounding_is_not_cheaper(self):
        found = overview()
        found["structures"] = [{"name": "simplex", "rank": 9, "loss": found["dnc"]["loss"] * (1 - 1e-13)}]
        assert captions.cost_of_collapse(found).startswith("None of")

    def test_collapse_does_not_exist(self):
        text = captions.cost_of_collapse(overview(exists=False, loss=None))
        assert "does not exist; it does up to 0.050446." in text
        assert "lowest loss of the 15 structures compared is that of paired" in text

    def test_collapse_does_not_fit(self):
        found = overview(exists=False, loss=None)
        found["problem"]["width"] = 8
        text = captions.cost_of_collapse(found)
        assert text.startswith("Deep neural collapse (DNC) has rank 9 and does not fit the width 8. The lowest")

    def test_collapse_does_not_exist_for_an_unknown_reason(self):
        text = captions.cost_of_collapse(overview(exists=False, loss=None, decay_max=None))
        assert text.startswith("Deep neural collapse (DNC) does not exist for this problem. The lowest")


class TestProof:
    def test_verified_bounds_are_rounded_to_the_safe_side(self):
        assert captions.proof_of_cost(overview()["certificate"]) == (
            "Proved in interval arithmetic: DNC costs at least 0.0906532, and an explicit network (paired) at most "
            "0.0800127."
        )

    def test_not_verified(self):
        certificate = {"verified": False, "dnc_lower_bound": 0.1, "competitor_upper_bound": None, "reason": "too few"}
        text = captions.proof_of_cost(certificate)
        assert text == "Interval arithmetic does not prove that DNC is beaten: too few."


class TestStability:
    def test_stable(self):
        text = captions.stability_of_collapse(overview())
        assert (
            text == "DNC is stable: no direction lowers the loss at second order. It is stable up to a weight decay of "
            "0.02359."
        )

    def test_saddle(self):
        assert "strict saddle at this weight decay" in captions.stability_of_collapse(overview(stable=False))

    def test_does_not_exist(self):
        text = captions.stability_of_collapse(overview(exists=False, stable=None))
        assert text == "Where DNC does not exist, its stability is no question."

    def test_nothing_known(self):
        assert captions.stability_of_collapse(overview(stable=None)).startswith("No closed form")

    def test_the_linear_answer_is_none_for_relu(self):
        found = overview()
        found["problem"]["activation"] = "relu"
        assert captions.stability_of_collapse(found).startswith("No closed form")

    def test_no_limit_known(self):
        text = captions.stability_of_collapse(overview(stable_decay_max=None))
        assert text.endswith("second order.")


class TestCurvature:
    def test_minimum(self):
        text = captions.curvature_of("simplex", collapse_spectrum(fakes.PROBLEM))
        assert text == (
            "At simplex, none of the 9,100 eigenvalues is negative and 1,170 are zero, as many as the set of "
            "equivalent solutions has dimensions: a local minimum."
        )

    def test_saddle(self):
        assert captions.curvature_of("a", fakes.SPECTRA["partition-2-2-2-4"]) == (
            "At a, 5 of the 10,683 eigenvalues are negative: a strict saddle."
        )

    def test_undecided(self):
        one = collapse_spectrum(fakes.PROBLEM)
        more = Spectrum(
            eigenvalues=one.eigenvalues,
            multiplicities=one.multiplicities,
            decay=one.decay,
            solution_dimension=1000,
        )
        assert captions.curvature_of("a", more).endswith("has 1,000 dimensions: second order does not decide.")


@pytest.mark.parametrize(("ratio", "word"), [(1.75, "more"), (0.9, "fewer"), (1.0, "equally many")])
def test_dimension(ratio, word):
    found = overview()["dimension"] | {"ratio": {"paper": 1.6, "exact": ratio}}
    text = captions.dimension_of_solutions(found)
    assert f"DNC has {word} (ratio" in text
    assert "a set of 1,170 dimensions, those of rank 5 one of 670" in text


def test_no_dimension():
    none = {"paper": None, "exact": None}
    found = {"rank": None, "dnc": none, "low_rank": none, "ratio": none, "ratio_limit": None}
    assert "cannot be compared here" in captions.dimension_of_solutions(found)


class TestRuns:
    def test_some_converged(self):
        assert captions.runs_in_words(fakes.ensemble()) == (
            "63 of the 64 runs converged or settled; 1 still descending at the last step allowed. 12 runs ended in "
            "DNC: the rate is open, confidence interval 0.11 to 0.317."
        )

    def test_all_converged(self):
        dnc = {"count": 12, "undecided": 0, "runs": 64, "rate": 12 / 64, "interval": [0.11, 0.3]}
        text = captions.runs_in_words(fakes.ensemble() | {"converged": 64, "not_converged": 0, "dnc": dnc})
        assert text == (
            "All 64 runs converged or settled. 12 runs ended in DNC: a rate of 0.188, confidence interval 0.11 to 0.3."
        )

    def test_one_in_collapse(self):
        change = {"dnc": {"count": 1, "undecided": 0, "runs": 64, "rate": 1 / 64, "interval": [0.0, 0.1]}}
        assert "1 run ended in DNC" in captions.runs_in_words(fakes.ensemble() | change)

    def test_none_converged(self):
        dnc = {"count": 0, "undecided": 64, "runs": 64, "rate": None, "interval": [0.0, 1.0]}
        change = {"converged": 0, "not_converged": 64, "dnc": dnc}
        assert captions.runs_in_words(fakes.ensemble() | change) == (
            "None of the 64 runs converged or settled; 64 still descending at the last step allowed. 0 runs ended in "
            "DNC: the rate is open, confidence interval 0 to 1."
        )

    def test_reasons_are_named_where_known(self):
        change = {"converged": 58, "not_converged": 2, "stalled": 1, "diverged": 2, "interrupted": 1}
        text = captions.runs_in_words(fakes.ensemble() | change)
        assert (
            "; 2 still descending at the last step allowed, 1 moving to and fro there, 2 diverged, 1 interrupted."
            in text
        )


@pytest.mark.parametrize(
    ("losses", "bound", "text"),
    [
        ([0.1, 0.3, 0.2], 0.2, "1 of the 3 runs with a recorded loss ended below the DNC bound."),
        ([0.1, 0.1], 0.2, "All 2 runs with a recorded loss ended below the DNC bound."),
        ([0.2, 0.2 * (1 - 1e-14)], 0.2, "None of the 2 runs with a recorded loss ended below the DNC bound."),
        ([0.3], 0.2, "No run with a recorded loss ended below the DNC bound."),
        ([], 0.2, "No loss was recorded."),
        ([0.3], None, "There is no DNC bound here."),
    ],
)
def test_endpoint_losses(losses, bound, text):
    assert captions.endpoint_losses(losses, bound) == text


class TestProblem:
    def test_one_number_each(self):
        text = captions.problem_in_words(overview()["problem"]).replace("\u00a0", " ")
        assert text == "K = 10 classes, n = 5 samples per class, L = 2 layers, width d = 70, weight decay 0.00097656"

    def test_a_number_per_class_and_factor(self):
        problem = {"classes": 2, "samples": [3, 4], "layers": 1, "width": None, "decay": [0.1, 0.2]}
        text = captions.problem_in_words(problem).replace("\u00a0", " ")
        assert text == "K = 2 classes, n = 3, 4 samples per class, L = 1 layer, weight decay 0.1, 0.2"
