"""The ledger of a store: finished, failed and missing runs, and what is written down of them."""

import json
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.reproduce import CLAIMS, VERDICTS, ledger, other_failures, reproduction
from deepcollapse.store import Store
from deepcollapse.sweep import SerialLauncher, launch, work
from reproduce.tiny import tiny_plans


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deepcollapse.reproduce.plan_files.FOLDER", tiny_plans(tmp_path / "plans"))


def store_of(folder: Path, *only: str) -> tuple[Store, str]:
    plan = reproduction("quick", only=only or None)
    store = Store.create(folder)
    store.enqueue(plan.name, plan.queued(), plan.document)
    return store, plan.name


@pytest.mark.usefixtures("tiny")
def test_a_whole_store(tmp_path: Path):
    plan = reproduction("quick", only=["T2", "T4", "E5", "T1"])
    store = Store.create(tmp_path / "store")
    launch(store, plan, launcher=SerialLauncher(threads=1))
    found = ledger(store, plan.name)
    verdicts = {finding.id: finding.verdict for finding in found.claims}
    assert verdicts == {
        "E5": "out of reach here",
        "T1": "out of reach here",
        "T2": "reproduced",
        "T4": "reproduced",
    }
    by_id = {finding.id: finding for finding in found.claims}
    assert by_id["E5"].reason.startswith("E5-cifar10-resnet: the run failed: ")
    assert "nowhere: expected cifar10 as data_batch_1" in by_id["E5"].reason
    assert by_id["T1"].reason == "T1: not run at this size (quick)"
    assert set(by_id["T4"].runs) == set(plan.parts[1].ids)
    assert other_failures(store, plan.name) == {}

    file = found.save(store.path)
    document = json.loads(file.read_text())
    assert document == found.as_json()
    assert (document["size"], document["plan"]) == ("quick", plan.name)
    keys = ["id", "title", "setting", "paper", "ours", "numbers", "verdict", "reason", "runs"]
    assert [list(claim) for claim in document["claims"]] == [keys] * 4
    assert {claim["verdict"] for claim in document["claims"]} <= set(VERDICTS)


@pytest.mark.usefixtures("tiny")
def test_a_store_that_is_not_finished_says_so(tmp_path: Path):
    store, name = store_of(tmp_path / "store", "T2", "T4")
    assert [finding.reason for finding in ledger(store, name).claims] == [
        "T2: 2 of 2 runs are not done yet",
        "T4: 6 of 6 runs are not done yet",
    ]
    work(store.path, plan=name, worker="one", threads=1, stop_after=3)
    reasons = [finding.reason for finding in ledger(store, name).claims]
    assert all("not done yet" in reason or not reason for reason in reasons)
    assert {finding.verdict for finding in ledger(store, name).claims} <= {"reproduced", "out of reach here"}
    assert sum(len(finding.runs) for finding in ledger(store, name).claims) == 3


@pytest.mark.usefixtures("tiny")
def test_what_goes_wrong_is_told_from_what_is_missing(tmp_path: Path):
    store, name = store_of(tmp_path / "store", "T4", "E5")
    queued = {run.part: run.id for record in store.plans() for run in record.runs}
    for part, error in (("T4", ArithmeticError("doomed")), ("E5-cifar10-resnet", InvalidInputError("data: none; add"))):
        claim = store.claim(queued[part], "one", 60.0)
        assert claim is not None
        store.fail(claim, error)
    assert other_failures(store, name) == {queued["T4"]: "ArithmeticError: doomed"}
    reasons = {finding.id: finding.reason for finding in ledger(store, name).claims}
    assert reasons["T4"] == "T4: 1 of 6 runs failed: doomed"
    assert reasons["E5"] == "E5-cifar10-resnet: the run failed: data: none; add"


def test_plans_of_other_kinds_are_refused(tmp_path: Path):
    store = Store.create(tmp_path / "store")
    with pytest.raises(InvalidInputError, match="plan: expected one of none, but found 'reproduction quick'; name one"):
        ledger(store, "reproduction quick")
    with pytest.raises(InvalidInputError, match="plan: expected one of a reproduction, but found 'widths'"):
        ledger(store, "widths")


def test_every_claim_says_what_it_is_about():
    for id, claim in CLAIMS.items():
        assert claim.id == id
        assert claim.needs or claim.also
        assert min(len(claim.title), len(claim.setting), len(claim.paper)) > 10
