"""Signs of life, whatever happens beside the run."""

import time
from pathlib import Path

import pytest

from deepcollapse.store import ClaimLostError, Store
from deepcollapse.sweep.heartbeat import heartbeat

RUN = "0" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_a_claim_is_renewed_while_no_one_can_say_whether_to_stop(store: Store):
    claim = store.claim(RUN, "a", 0.4)
    assert claim is not None

    def away() -> bool:
        raise TimeoutError("the scheduler does not answer")

    with heartbeat(claim, stop=away) as check:
        time.sleep(1.0)
        check(0, 1)
        assert store.claimed()[RUN].alive


def test_a_claim_that_was_given_back_is_told(store: Store):
    claim = store.claim(RUN, "a", 0.4)
    assert claim is not None
    with heartbeat(claim, stop=lambda: False) as check:
        claim.release()
        time.sleep(0.5)
        with pytest.raises(ClaimLostError, match=f"claim: expected a to hold run {RUN}, but found it done, given back"):
            check(0, 1)
