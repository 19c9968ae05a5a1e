"""E4, E5 and E6 from made-up rows of networks: each verdict, and rows that contradict the claim."""

import pytest

from deepcollapse.reproduce import CLAIMS
from deepcollapse.reproduce.evidence import PartEvidence
from reproduce.synthetic import evidence, network, part

MLP = part("E4-mnist-mlp", [network()])


def judgement(id, *parts):
    return CLAIMS[id].judgement(evidence(*parts))


def e5(**changes):
    return judgement("E5", part("E5-cifar10-resnet", [network(source="cifar10", rank=3, rank_paper=3) | changes]))


def test_the_papers_setting_and_numbers_are_a_reproduction():
    found = judgement("E4", part("E4-mnist-resnet", [network()]), MLP)
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert "ResNet-20 on MNIST: 0.2000 against the DNC bound 0.2422, 4 singular values above 1e-6" in found.ours
    assert e5().verdict == "reproduced"


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"per_class": 350}, "350 images per class instead of 5,000 (CIFAR-10)"),
        ({"backbone": "mlp"}, "MLP as backbone on CIFAR-10"),
        ({"converged": False, "steps": 70}, "ResNet-20 on CIFAR-10 ended at its horizon, 70 steps, not converged"),
        ({"rank_paper": 4}, "4 singular values above 1e-6 instead of the paper's 3"),
        ({"rank_paper": 9, "converged": False, "steps": 70}, "9 singular values above 1e-6 instead of the paper's 3"),
    ],
)
def test_what_differs_from_the_paper_is_a_condition(changes, condition):
    found = e5(**changes)
    assert found.verdict == "reproduced with conditions"
    assert condition in found.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"below_bound": False}, "not so: every loss is below the DNC bound"),
        ({"rank_paper": 9}, "not so: every rank is below that of DNC"),
    ],
)
def test_what_contradicts_the_claim_refutes_it(changes, reason):
    found = e5(**changes)
    assert (found.verdict, found.reason) == ("not reproduced", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"below_bound": False, "converged": False}, "every run was cut off above the bound"),
        ({"train_error": 0.3}, "no run learned its training images"),
    ],
)
def test_what_decides_nothing_gives_no_verdict(changes, reason):
    found = e5(**changes)
    assert (found.verdict, found.reason) == ("out of reach here", reason)
    assert found.numbers["runs"][0]["source"] == "cifar10"


def test_a_seed_that_did_not_learn_is_left_out():
    rows = [network(source="cifar10", rank=3, rank_paper=3), network(source="cifar10", train_error=0.4)]
    found = judgement("E5", part("E5-cifar10-resnet", rows))
    assert (found.verdict, found.reason) == (
        "reproduced with conditions",
        "left out: ResNet-20 on CIFAR-10, training error 0.40",
    )


def test_an_archive_is_called_by_what_it_stands_for():
    found = e5(source="file")
    assert "ResNet-20 on CIFAR-10 (an archive): 0.2000" in found.ours


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
    found = judgement("E4", MLP, PartEvidence("E4-mnist-resnet", pending=("0" * 16,)))
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
    papers = {"decay_kind": "standard", "decay_weights": 1e-2, "rate": 1e-3, "below_bound": False, "bound": "balanced"}
    return network(**papers) | changes


def e6(mnist, cifar10):
    return judgement("E6", part("E6-mnist", [mnist]), part("E6-cifar10", [cifar10]))


def test_e6_is_about_rank_and_shape():
    assert e6(standard(), standard(source="cifar10")).verdict == "reproduced"
    assert (
        e6(standard(), standard(rank=9)).reason == "not so: every rank (above 1e-3 of the largest) is below that of DNC"
    )
    assert e6(standard(), standard(structure="simplex")).reason == "not so: no class-mean logits are a simplex"


def test_e6_states_what_differs():
    found = e6(standard(decay_weights=3e-3, rate=0.05), standard(rank=9, converged=False, source="cifar10"))
    assert found.verdict == "reproduced with conditions"
    for text in (
        "decay 0.003 instead of 0.01",
        "learning rate 0.05 instead of 0.001",
        "CIFAR-10, cut off at full rank",
    ):
        assert text in found.reason
    found = e6(standard(train_error=0.2), standard(rank=9, converged=False))
    assert (found.verdict, found.reason) == ("out of reach here", "every run was cut off at full rank")
    found = e6(standard(train_error=0.2), standard(train_error=0.2))
    assert (found.verdict, found.reason) == ("out of reach here", "no run learned its training images")
