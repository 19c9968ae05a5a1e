"""IDX files: what is written is read, and files that are not what they claim are refused."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.idx import read_idx, read_idx_images

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: np.ndarray) -> bytes:
    """The array in the format, by struct."""
    code = array.dtype.str[1:]
    content = b"".join(struct.pack(f">{array.dtype.char}", value) for value in array.ravel().tolist())
    return bytes([0, 0, CODES[code], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def written(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


any_array = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: arrays(np.dtype(code), array_shapes(max_dims=4, max_side=4))
)


@given(any_array, st.booleans())
def test_what_is_written_is_read(folder: Path, array: np.ndarray, zipped: bool):
    content = idx(array)
    found = read_idx(written(folder, gzip.compress(content) if zipped else content))
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


@given(any_array, st.booleans(), st.data())
def test_shorter_and_longer_files_are_refused(folder: Path, array: np.ndarray, zipped: bool, data: st.DataObject):
    content = idx(array)
    if data.draw(st.booleans()):
        changed = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        changed = content + data.draw(st.binary(min_size=1, max_size=5))
    with pytest.raises(InvalidInputError, match=r"file: expected .* but found .*; download"):
        read_idx(written(folder, gzip.compress(changed) if zipped else changed))


@given(any_array, st.data())
def test_damaged_gzip_is_refused(folder: Path, array: np.ndarray, data: st.DataObject):
    content = bytearray(gzip.compress(idx(array)))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(2, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(len(content) - 8, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInputError, match=r"file: expected a readable IDX file, but found: "):
        read_idx(written(folder, bytes(content)))


@given(st.binary(max_size=60))
def test_other_bytes_are_an_error_of_ours_or_an_array_that_holds_them(folder: Path, content: bytes):
    path = written(folder, content)
    try:
        array = read_idx(path)
    except InvalidInputError:
        return
    assert content.endswith(array.astype(array.dtype.newbyteorder(">")).tobytes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected an IDX file, .* but found an empty file; download"),
        (b"\0\1\x08\1\0\0\0\1a", r"expected an IDX file, .* but found 00 01 08 01"),
        (b"\0\0\x0a\1\0\0\0\1a", r"expected an IDX file, .* but found 00 00 0a 01"),
        (b"\0\0\x08\0a", r"expected an IDX file, .* but found 00 00 08 00"),
        (b"\0\0\x08\5" + b"\0\0\0\1" * 5 + b"a", r"expected an IDX file, .* but found 00 00 08 05"),
        (b"\0\0\x08\2\0\0\0\1", r"expected 2 sizes of 4 bytes each, but found the end of the file"),
        (b"\0\0\x08\1\0\0\0\0", r"expected 1 byte to 2 GiB of entries, .* claims the shape \(0,\)"),
        (b"\0\0\x08\1\0\0\0\3ab", r"expected 3 bytes behind the header, as it claims, but found only 2"),
        (b"\0\0\x08\1\0\0\0\3abcd", r"expected 3 bytes behind the header, as it claims, but found more"),
        (b"\0\0\x08\2" + b"\xff" * 8, r"expected 1 byte to 2 GiB of entries, .* shape \(4294967295, 4294967295\)"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_bad_files(folder: Path, content: bytes, message: str, zipped: bool):
    with pytest.raises(InvalidInputError, match=message):
        read_idx(written(folder, gzip.compress(content) if zipped else content))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_forged_header_claims_no_memory(folder: Path, zipped: bool):
    content = b"\0\0\x08\1" + struct.pack(">I", 2**31) + bytes(100)
    path = written(folder, gzip.compress(content) if zipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match=r"expected 2147483648 bytes behind the header"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_missing_files(folder: Path):
    for path in (folder / "nowhere", folder):
        with pytest.raises(InvalidInputError, match=r"expected a readable IDX file, but found: .*; check the path"):
            read_idx(path)


def test_pairs_of_images_and_labels(folder: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    labels = np.array([2, 0, 1], dtype=np.uint8)
    paths = {
        name: written(folder, idx(array), name)
        for name, array in (("images", pixels), ("labels", labels), ("two", labels[:2]), ("wide", labels.astype("i4")))
    }
    images, classes = read_idx_images(paths["images"], paths["labels"])
    np.testing.assert_array_equal(images, pixels[:, None])
    np.testing.assert_array_equal(classes, labels)
    assert (images.dtype, classes.dtype) == (np.uint8, np.int64)
    with pytest.raises(InvalidInputError, match=r"two: expected 3 labels, one per image of images, but found 2; pair"):
        read_idx_images(paths["images"], paths["two"])
    with pytest.raises(InvalidInputError, match=r"labels: expected unsigned bytes in 3 dimensions, .* uint8 in 1; im"):
        read_idx_images(paths["labels"], paths["images"])
    with pytest.raises(InvalidInputError, match=r"wide: expected unsigned bytes in 1 dimension, but found int32 in 1"):
        read_idx_images(paths["images"], paths["wide"])
