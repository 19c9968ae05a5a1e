"""The ledger of a store: finished, failed and missing runs, and what is written down of them."""

import errno
import json
from pathlib import Path

import pytest

from deepcollapse.errors import DownloadError, InvalidInputError, MissingDataError, MissingExtraError
from deepcollapse.networks import data_folder
from deepcollapse.reproduce import CLAIMS, VERDICTS, Ledger, ledger, other_failures, reproduction
from deepcollapse.store import Store, StoreError
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
    settings = {claim["id"]: claim["our_setting"] for claim in document["claims"]}
    assert (settings["T2"], settings["E5"]) == ("linear UFM, L = 2, d = 4 or 5, K = 4 or 5, n = 1, decay 2^-10", "")
    keys = ["id", "title", "setting", "our_setting", "paper", "ours", "numbers", "verdict", "reason", "runs"]
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


def failed(folder: Path, part: str, error: Exception) -> tuple[Store, str, str]:
    """A store in which a run of the part ended in this error."""
    store, name = store_of(folder, "T4", "E5")
    id = next(run.id for record in store.plans() for run in record.runs if run.part == part)
    fail(store, id, error)
    return store, name, id


def fail(store: Store, id: str, error: Exception) -> None:
    claim = store.claim(id, "one", 60.0)
    assert claim is not None
    store.fail(claim, error)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "error",
    [
        MissingExtraError("data: expected mlxtend to be installed"),
        DownloadError("cifar10: no mirror"),
        MissingDataError("data: expected cifar10"),
    ],
)
def test_images_and_libraries_that_are_not_there_are_no_failure(tmp_path: Path, error: Exception):
    store, name, _ = failed(tmp_path / "store", "E5-cifar10-resnet", error)
    assert other_failures(store, name) == {}
    reasons = {finding.id: finding.reason for finding in ledger(store, name).claims}
    assert reasons["E5"] == f"E5-cifar10-resnet: the run failed: {error}"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("T4", ArithmeticError("doomed")),
        ("E5-cifar10-resnet", InvalidInputError("checkpoint: damaged; delete it")),
    ],
)
def test_what_goes_wrong_is_told_from_what_is_missing(tmp_path: Path, part: str, error: Exception):
    store, name, id = failed(tmp_path / "store", part, error)
    (found,) = other_failures(store, name).items()
    assert found[0] == id
    assert found[1].endswith(f"{type(error).__name__}: {error}")


@pytest.mark.usefixtures("tiny")
def test_of_many_errors_the_first_is_told_as_such(tmp_path: Path):
    store, name, id = failed(tmp_path / "store", "T4", ArithmeticError("doomed"))

    def reason() -> str:
        return next(finding.reason for finding in ledger(store, name).claims if finding.id == "T4")

    assert reason() == "T4: 1 of 6 runs failed: doomed"
    others = [run.id for record in store.plans() for run in record.runs if run.part == "T4" and run.id != id]
    fail(store, others[0], ArithmeticError("doomed"))
    assert reason() == "T4: 2 of 6 runs failed: doomed"
    fail(store, others[1], ArithmeticError("doomed"))
    fail(store, others[2], ArithmeticError("lost"))
    assert reason() == "T4: 4 of 6 runs failed, the first: doomed"


def test_images_that_are_missing_are_told_by_their_reader(tmp_path: Path):
    with pytest.raises(MissingDataError, match="expected cifar10 as data_batch_1"):
        data_folder(tmp_path, "cifar10")
    (tmp_path / "data_batch_1").touch()
    with pytest.raises(MissingDataError, match="but found all but data_batch_2"):
        data_folder(tmp_path, "cifar10")


def test_a_disk_that_refuses_keeps_the_older_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = Ledger(size="quick", plan="p", claims=())
    file = found.save(tmp_path)
    older = file.read_bytes()

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("deepcollapse.store.disk.flush", full)
    with pytest.raises(StoreError, match=r"ledger: expected to write .*ledger\.json.* free some space"):
        Ledger(size="full", plan="p", claims=()).save(tmp_path)
    assert file.read_bytes() == older
    assert [entry.name for entry in tmp_path.rglob("*") if entry.is_file()] == ["ledger.json"]


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
