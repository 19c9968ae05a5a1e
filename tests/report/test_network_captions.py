"""Sentences about a trained network, whichever way its numbers fall."""

import pytest

from deepcollapse.report.network_captions import (
    network_against_bound,
    network_polished,
    network_rank,
    network_training,
)
from report import fakes


class TestNetwork:
    def test_below_the_bound(self):
        text = network_against_bound(fakes.digits())
        assert "is 0.1932, below the DNC bound 0.2422: no network" in text
        assert "4.38 % above the cheapest structure compared, T5, with 0.1851." in text

    @pytest.mark.parametrize("loss", [0.25, 0.2421977])
    def test_not_below_the_bound(self, loss):
        text = network_against_bound(fakes.digits() | {"objective": loss})
        assert "not below the DNC bound 0.2422. That says little" in text
        assert "no network" not in text

    def test_the_numbers_decide_and_not_the_flag(self):
        text = network_against_bound(fakes.digits() | {"objective": 0.25, "below_bound": True})
        assert "not below" in text

    def test_below_the_best_structure(self):
        assert "% below the cheapest" in network_against_bound(fakes.digits() | {"objective": 0.18})

    def test_standard_decay_has_an_estimate_only(self):
        change = {"bound": "balanced estimate", "feature_model_objective": 0.21, "objective": 0.9}
        text = network_against_bound(fakes.digits() | change)
        assert "decay of all its parameters included, is 0.9." in text
        assert "cost 0.21, below the 0.2422 of DNC in that model: an estimate" in text
        without = change | {"dnc_bound": None, "undefined": "the network collapsed"}
        text = network_against_bound(fakes.digits() | without)
        assert text.endswith("It is held against no bound: the network collapsed.")

    def test_trained_to_the_end(self):
        assert network_training(fakes.digits()) == (
            "Training met its stopping rule after 6,000 steps. Every training image is classified correctly, and "
            "97.2 % of the test images."
        )

    def test_nothing_held_out(self):
        text = network_training(fakes.digits() | {"test_accuracy": None})
        assert text.endswith("Every training image is classified correctly; nothing was held out.")

    def test_ended_with_errors_left(self):
        text = network_training(fakes.digits() | {"converged": False, "train_error": 0.013})
        assert "ended after 6,000 steps without meeting its stopping rule (stalled: on a plateau)." in text
        assert "1.3 % of the training images are still classified wrongly" in text
        assert "Every" not in text

    def test_rank(self):
        text = network_rank(fakes.digits())
        assert "Of the 10 singular values" in text
        assert "9 count towards the rank by the paper's absolute threshold and 4 by a scale-free one." in text
        assert text.endswith("They are classified as T5.")
        assert network_rank(fakes.digits() | {"structure": None}).endswith("match no named structure.")
        assert network_rank(fakes.digits() | {"rank": None}).startswith("The logits are zero")

    def test_polished(self):
        found = fakes.digits()["polished"]
        text = network_polished(fakes.digits())
        assert text.startswith("With free features the loss falls from 0.1932 to 0.1851, at the critical point")
        assert "the structure T5, with no negative curvature." in text
        assert "moved by 5 % of their norm" in text
        text = network_polished(fakes.digits() | {"polished": found | {"structure": "unnamed", "stable": False}})
        assert "one without a name, a saddle." in text
        relu = found | {"structure": None, "stable": None, "rest": {"kind": "minimum"}}
        assert "one without a name, a local minimum." in network_polished(fakes.digits() | {"polished": relu})
        lost = found | {"converged": False, "explanation": "it ended at a kink"}
        assert network_polished(fakes.digits() | {"polished": lost}).endswith(
            "no smooth critical point was reached: it ended at a kink."
        )
        assert network_polished(fakes.digits() | {"polished": None}) == ""
