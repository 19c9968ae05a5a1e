"""E4, E5 and E6 from made-up rows of networks: each verdict, and rows that contradict the claim."""

import pytest

from deepcollapse.reproduce import CLAIMS
from deepcollapse.reproduce.claims.network_settings import RELU, STANDARD, UFM, setting_conditions
from deepcollapse.reproduce.claims.networks import told
from deepcollapse.reproduce.evidence import PartEvidence
from reproduce.synthetic import evidence, network, networks, part

CIFAR = {"source": "cifar10", "rank": 3, "rank_paper": 3}
CUT_OFF = {"converged": False, "outcome": "not converged", "steps": 70}
BELOW = "ends below the DNC bound"
UNDECIDED = "no network is decided against the bound; left out: ResNet-20 on CIFAR-10"
UNLEARNED = "no run learned its training images; left out: ResNet-20 on CIFAR-10, training error"
NO_RANK = {"rank": None, "rank_paper": None, "structure": None, "dnc_loss": None, "below_bound": None}
NO_RANK |= {"feature_model_objective": None}


def judgement(id, *parts):
    return CLAIMS[id].judgement(evidence(*parts))


def e5(*rows):
    return judgement("E5", part("E5-cifar10-resnet", rows))


def e5_seeds(**changes):
    return e5(*networks(**CIFAR | changes))


def test_the_papers_setting_and_numbers_are_a_reproduction():
    found = judgement("E4", part("E4-mnist-resnet", networks()), part("E4-mnist-mlp", networks()))
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert "ResNet-20 on MNIST: 0.2000 against the DNC bound 0.2422, 4 singular values above 1e-6" in found.ours
    assert e5_seeds().verdict == "reproduced"


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"per_class": 350, "decay_features": 1e-6}, "images per class 350 instead of 5,000"),
        ({"backbone": "mlp"}, "MLP on CIFAR-10: backbone MLP instead of ResNet-20"),
        (CUT_OFF, "not converged at the horizon of 70 steps; no network had converged, so that none could refute"),
        ({"rank_paper": 4}, "4 singular values above 1e-6 instead of the paper's 3"),
        ({"rank_paper": 9} | CUT_OFF, "9 singular values above 1e-6 instead of the paper's 3"),
        ({"rank_paper": 9} | CUT_OFF, "rank open: ResNet-20 on CIFAR-10, 9 singular values above 1e-6 (3 above"),
        ({"rank_paper": None, "rank": None}, "rank open: ResNet-20 on CIFAR-10, rank not defined, converged"),
    ],
)
def test_what_differs_from_the_paper_is_a_condition(changes, condition):
    found = e5_seeds(**changes)
    assert found.verdict == "reproduced with conditions"
    assert condition in found.reason


@pytest.mark.parametrize(
    ("papers", "changes", "condition"),
    [
        (UFM, {"per_class": 500, "decay_features": 1e-5}, "features' decay 1e-05 instead of 1e-06, of equal product"),
        (UFM, {"per_class": 350, "decay_features": 1.4286e-5}, "features' decay 1.4286e-05 instead of 1e-06, of equal"),
        (UFM, {"per_class": 500}, "features' decay times images per class 0.0005 instead of 0.005"),
        (UFM, {"decay_weights": 1e-3}, "decay 0.001 instead of 0.005"),
        (UFM, {"batch": 125}, "batch 125 instead of 10,000"),
        (UFM, {"batch": None}, "batch 50,000 instead of 10,000"),
        (UFM, {"width": 32}, "d = 32 instead of 64"),
        (UFM, {"gain": 2.0}, "initial head weights 2 times PyTorch's (the paper states none)"),
        (RELU, {}, "L = 3 instead of 4"),
        (
            STANDARD,
            {"decay_features": None, "decay_weights": 1e-2, "rate": 0.05},
            "learning rate 0.05 instead of 0.001",
        ),
    ],
)
def test_every_stated_setting_that_differs_is_told(papers, changes, condition):
    (found,) = setting_conditions([{**row, "part": "p"} for row in networks(**changes)], papers)
    assert condition in found
    assert "one seed" not in found


def test_settings_are_told_by_part_and_a_single_seed_is_one():
    rows = [{**row, "part": "a"} for row in networks(3)] + [network(part="b", width=16, source="cifar10")]
    assert setting_conditions(rows, UFM) == ["ResNet-20 on CIFAR-10: d = 16 instead of 64, one seed"]
    rows[0] |= CUT_OFF
    assert setting_conditions(rows, UFM)[0] == "ResNet-20 on MNIST: 1 of 3 not converged at the horizon of 70 steps"
    assert setting_conditions([], UFM) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"below_bound": False}, "not so: every network that is decided (2 of 2) ends below the DNC bound"),
        ({"rank_paper": 9}, "not so: every network whose rank is decided (2 of 2) has one below K - 1"),
    ],
)
def test_what_contradicts_the_claim_refutes_it(changes, reason):
    found = e5_seeds(**changes)
    assert (found.verdict, found.reason) == ("not reproduced", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"below_bound": False} | CUT_OFF, f"{UNDECIDED}, cut off above the bound"),
        ({"bound": "one-layer frame, no bound"}, f"{UNDECIDED}, no bound"),
        ({"train_error": 0.3}, f"{UNLEARNED} 0.30"),
        ({"train_error": None}, f"{UNLEARNED} not defined"),
    ],
)
def test_what_decides_nothing_gives_no_verdict(changes, reason):
    found = e5_seeds(**changes)
    assert found.verdict == "out of reach here"
    assert found.reason.startswith(reason)
    assert found.numbers["runs"][0]["source"] == "cifar10"


def test_an_undecided_network_makes_no_check_true():
    open_rank = network(**CIFAR | CUT_OFF | {"rank_paper": 9})
    found = e5(open_rank, network(**CIFAR | CUT_OFF | {"below_bound": False}))
    assert found.numbers["checks"] == {f"every network that is decided (1 of 2) {BELOW}": True}
    assert "left out: ResNet-20 on CIFAR-10, cut off above the bound" in found.reason
    half = e5(open_rank, network(**CIFAR))
    assert half.numbers["checks"] == {
        f"every network that is decided (2 of 2) {BELOW}": True,
        "every network whose rank is decided (1 of 2) has one below K - 1": True,
    }
    assert "no network had converged" not in half.reason


def test_a_seed_that_did_not_learn_is_left_out():
    found = e5(*networks(**CIFAR), network(source="cifar10", train_error=0.4))
    assert (found.verdict, found.reason) == (
        "reproduced with conditions",
        "left out: ResNet-20 on CIFAR-10, training error 0.40",
    )


def test_a_network_without_a_rank_is_undecided():
    found = e5(*networks(**CIFAR), network(**CIFAR | NO_RANK))
    assert found.verdict == "reproduced with conditions"
    assert "0.2000, no DNC loss to compare with, rank not defined, training error 0.0000" in found.ours
    assert found.reason == "left out: ResNet-20 on CIFAR-10, no bound"


def test_only_an_exact_bound_is_told_as_one():
    row = network(bound="balanced estimate", loss=1.3, feature_model_objective=0.21)
    for bound in ("balanced estimate", "one-layer frame, no bound"):
        assert told(row | {"bound": bound}).startswith(
            "ResNet-20 on MNIST: feature model at 0.2100 against an estimated DNC loss 0.2422, no bound, 4 singular"
        )
    assert "not defined against an estimated" in told(row | {"feature_model_objective": None})
    assert "1.3000 against the DNC bound 0.2422" in told(row | {"bound": "exact"})
    assert "not defined against the DNC bound" in told(network(loss=None))


def test_an_archive_is_called_by_what_it_stands_for():
    assert "ResNet-20 on CIFAR-10 (an archive): 0.2000" in e5_seeds(source="file").ours


def test_a_failed_part_is_quoted():
    failed = PartEvidence(
        "E5-cifar10-resnet", failed={"0" * 16: "deepcollapse.errors.InvalidInputError: data: expected cifar10; add it"}
    )
    found = judgement("E5", failed)
    assert (found.verdict, found.reason) == (
        "out of reach here",
        "E5-cifar10-resnet: the run failed: data: expected cifar10; add it",
    )


def test_of_two_parts_one_is_enough_and_the_other_a_condition():
    found = judgement("E4", part("E4-mnist-mlp", networks()), PartEvidence("E4-mnist-resnet", pending=("0" * 16,)))
    assert (found.verdict, found.reason) == (
        "reproduced with conditions",
        "E4-mnist-resnet: 1 of 1 runs are not done yet",
    )
    none = judgement("E4")
    assert (none.verdict, none.reason) == (
        "out of reach here",
        "E4-mnist-resnet: not run at this size (small); E4-mnist-mlp: not run at this size (small)",
    )


def standard(**changes):
    papers = {"decay_kind": "standard", "decay_weights": 1e-2, "decay_features": None, "rate": 1e-3}
    return papers | {"below_bound": False, "bound": "balanced estimate"} | changes


def e6(mnist, cifar10, *, count=2):
    return judgement("E6", part("E6-mnist", networks(count, **mnist)), part("E6-cifar10", networks(count, **cifar10)))


def test_e6_is_about_rank_and_shape():
    found = e6(standard(), standard(source="cifar10"))
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert "feature model at 0.2000 against an estimated DNC loss 0.2422, no bound" in found.ours
    assert e6(standard(), standard(rank=9)).reason == (
        "not so: every network whose rank is decided (4 of 4) has one below K - 1, above 1e-3 of the largest"
    )
    assert e6(standard(), standard(structure="simplex")).reason == (
        "not so: no class-mean logits of these (4 of 4) are a simplex"
    )


def test_e6_states_what_differs():
    cut_off = standard(rank=9, source="cifar10", **CUT_OFF)
    found = e6(standard(decay_weights=3e-3, rate=0.05), cut_off, count=1)
    assert found.verdict == "reproduced with conditions"
    assert found.reason == (
        "ResNet-20 on MNIST: decay 0.003 instead of 0.01, learning rate 0.05 instead of 0.001, one seed; "
        "left out: ResNet-20 on CIFAR-10, cut off at full rank"
    )
    moving = e6(standard(), standard(rank=5, source="cifar10", **CUT_OFF))
    assert "no network had converged" not in moving.reason
    assert "no network had converged" in e6(standard(**CUT_OFF), standard(**CUT_OFF)).reason


def test_e6_without_a_decided_rank_says_nothing():
    found = e6(standard(train_error=0.2), standard(rank=9, **CUT_OFF))
    assert found.verdict == "out of reach here"
    assert found.reason.startswith("the rank of no network is decided; left out: ResNet-20 on MNIST, training error")
    found = e6(standard(train_error=0.2), standard(train_error=0.2))
    assert found.reason.startswith("no run learned its training images; ")
    found = e6(standard(**NO_RANK), standard())
    assert (found.verdict, found.numbers["checks"]) == (
        "reproduced with conditions",
        {
            "every network whose rank is decided (2 of 4) has one below K - 1, above 1e-3 of the largest": True,
            "no class-mean logits of these (2 of 4) are a simplex": True,
        },
    )
    assert "left out: ResNet-20 on MNIST, rank not defined" in found.reason
