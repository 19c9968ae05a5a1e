"""Images from CSV files: what was written comes back, as from an archive; anything else is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, MissingDataError
from deepcollapse.experiments.image_data import ImageData
from deepcollapse.networks import data_folder, read_csv, read_npz


def written(path, images, labels, *, start=0):
    """As Kaggle writes them."""
    header = ",".join(["label", *(f"pixel{index + start}" for index in range(images[0].size))])
    table = np.column_stack([labels, images.reshape(len(images), -1)])
    np.savetxt(path, table, fmt="%d", delimiter=",", header=header, comments="")
    return path


@settings(max_examples=20)
@given(images=st.integers(1, 6), side=st.integers(1, 5), seed=st.integers(0, 99), start=st.integers(0, 1))
def test_they_are_those_of_an_archive(tmp_path_factory, images, side, seed, start):
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("csv")
    labels = rng.integers(0, 256, images)
    given = rng.integers(0, 256, (images, side, side), dtype=np.uint8)
    np.savez(folder / "a.npz", X=given, y=labels)
    found, expected = read_csv(written(folder / "a.csv", given, labels, start=start)), read_npz(folder / "a.npz")[0]
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert (found.classes, found.images.dtype) == (expected.classes, np.float32)


def test_pixels_that_are_no_square_stay_a_vector(tmp_path):
    assert read_csv(written(tmp_path / "a.csv", np.ones((2, 6)), [0, 1])).images.shape == (2, 6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"label\n1\n",
        b"pixel0,label\n1,2\n",
        b"label,pixel0\n",
        b"label,pixel0\n1,256\n",
        b"label,pixel0\n1,-1\n",
        b"label,pixel0\n1,0.5\n",
        b"label,pixel0\n1,2,3\n",
        b"label,pixel0\n1,2\n1\n",
        b"\xff\xfe\x00",
    ],
)
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(
        InvalidInputError, match=r"a\.csv: expected a CSV file with the header .*, but found: .*; check"
    ):
        read_csv(tmp_path / "a.csv")


def test_a_folder_with_such_a_table_leads_to_it(tmp_path):
    path = written(tmp_path / "train.csv", np.arange(80).reshape(20, 2, 2), np.arange(20) % 2)
    with pytest.raises(MissingDataError, match=r'or read .*train\.csv with source "file"$'):
        data_folder(tmp_path, "mnist")
    split = ImageData(source="file", path=path, per_class=3).split()
    assert (split.train.class_counts, split.test.class_counts) == ((3, 3), (7, 7))
