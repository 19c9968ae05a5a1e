"""One small store for all tests of this folder; they only read it."""

import pytest

from plot.paper.stores import PARTS, filled


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("paper") / "store", PARTS)
