"""CIFAR files: records and pickles are read as written, and no pickle runs, whatever it holds."""

import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.cifar import read_cifar_binary, read_cifar_pickle

REFUSED = r"batch: expected a pickled batch of CIFAR-10, but found "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cifar")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "batch"
    path.write_bytes(content)
    return path


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def pickled(count: int, *, classes: int = 10, protocol: int = 2, **changes: object) -> bytes:
    """A batch as Python 3 pickles it, with the keys of the originals (which are bytes to Python 3)."""
    labels = [index % classes for index in range(count)]
    content = {
        b"batch_label": b"training batch 1 of 5",
        b"filenames": [b"leptodactylus_pentadactylus_s_000004.png"] * count,
        b"data": images(count).reshape(count, -1),
        **({b"labels": labels} if classes == 10 else {b"fine_labels": labels, b"coarse_labels": [0] * count}),
    }
    content |= {key.encode(): value for key, value in changes.items()}
    return pickle.dumps(content, protocol=protocol)


def python2(count: int) -> bytes:
    """A batch as Python 2 pickles it, operation by operation: text is BINSTRING, the module is numpy.core."""
    pixels = images(count).tobytes()

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    kind = b"cnumpy\ndtype\nq\x03" + text(b"u1") + b"K\x00K\x01\x87Rq\x04"
    kind += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85" + text(b"b") + b"\x87R"
    state = b"(K\x01" + b"M" + struct.pack("<H", count) + b"M\x00\x0c\x86" + kind + b"\x89"
    state += b"T" + struct.pack("<I", len(pixels)) + pixels + b"tb"
    labels = b"]q\x05(" + b"".join(b"K" + bytes([index % 10]) for index in range(count)) + b"e"
    return b"\x80\x02}q\x00(" + text(b"data") + array + state + text(b"labels") + labels + b"u."


@given(st.integers(1, 4), st.sampled_from([10, 100]), st.integers(0, 2**32))
def test_binary_records_are_read(folder: Path, count: int, classes: int, seed: int):
    rng = np.random.default_rng(seed)
    pixels, labels = images(count, seed), rng.integers(0, classes, count)
    coarse = [bytes([rng.integers(0, 20)]) if classes == 100 else b"" for _ in labels]
    records = zip(coarse, labels.tolist(), pixels, strict=True)
    content = b"".join(above + bytes([label]) + image.tobytes() for above, label, image in records)
    found = read_cifar_binary(written(folder, content), classes=classes)
    np.testing.assert_array_equal(found[0], pixels)
    np.testing.assert_array_equal(found[1], labels)
    assert (found[0].dtype, found[1].dtype) == (np.uint8, np.int64)
    with pytest.raises(InvalidInputError, match=r"batch: expected records of 307\d bytes .* read it as CIFAR-10"):
        read_cifar_binary(written(folder, content[: -rng.integers(1, 3073)]), classes=classes)
    with pytest.raises(InvalidInputError, match=r"batch: expected records of 307\d bytes"):
        read_cifar_binary(written(folder, content + b"\0"), classes=classes)


@given(st.binary(max_size=40), st.integers(0, 3), st.sampled_from([10, 100]))
def test_any_binary_file_is_an_error_of_ours_or_its_records(folder: Path, content: bytes, records: int, classes: int):
    size = 3072 + (1 if classes == 10 else 2)
    path = written(folder, content + bytes(max(0, records * size - len(content))))
    try:
        pixels, labels = read_cifar_binary(path, classes=classes)
    except InvalidInputError:
        return
    assert len(labels) == len(pixels) == records
    assert 0 <= labels.min() <= labels.max() < classes
    held = [bytes([label]) + image.tobytes() for label, image in zip(labels.tolist(), pixels, strict=True)]
    assert all(part in path.read_bytes() for part in held)


def test_bad_binary_files(folder: Path):
    with pytest.raises(InvalidInputError, match=r"expected records of 3073 bytes \(CIFAR-10\), but found 0 bytes"):
        read_cifar_binary(written(folder, b""))
    with pytest.raises(
        InvalidInputError, match=r"expected labels 0 to 9, but found 0 to 10; this is no file of CIFAR-"
    ):
        read_cifar_binary(written(folder, bytes(3073) + b"\x0a" + bytes(3072)))
    for read in (read_cifar_binary, read_cifar_pickle):
        with pytest.raises(
            InvalidInputError, match=r"nowhere: expected a readable file, but found: .*; check the path"
        ):
            read(folder / "nowhere")
        with pytest.raises(InvalidInputError, match=r"classes: expected 10 or 100, but found 20; CIFAR has no other"):
            read(folder / "nowhere", classes=20)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("classes", [10, 100])
def test_pickles_of_python_3_are_read(folder: Path, protocol: int, classes: int):
    path = written(folder, pickled(7, classes=classes, protocol=protocol))
    pixels, labels = read_cifar_pickle(path, classes=classes)
    np.testing.assert_array_equal(pixels, images(7))
    np.testing.assert_array_equal(labels, np.arange(7))
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)
    assert pixels.flags.writeable


def test_pickles_of_python_2_are_read(folder: Path):
    content = python2(12)
    theirs = pickle.loads(content, encoding="bytes")
    np.testing.assert_array_equal(theirs[b"data"], images(12).reshape(12, -1))
    pixels, labels = read_cifar_pickle(written(folder, content))
    np.testing.assert_array_equal(pixels, images(12))
    np.testing.assert_array_equal(labels, np.arange(12) % 10)


def test_columns_first(folder: Path):
    data = np.asfortranarray(images(3).reshape(3, -1))
    np.testing.assert_array_equal(read_cifar_pickle(written(folder, pickled(3, data=data)))[0], images(3))


class Malicious:
    """Unpickled, it calls what it is given."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple:
        return self.call[0], tuple(self.call[1:])


def marker(folder: Path) -> Path:
    return folder / "executed"


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("key", ["data", "labels", "filenames"])
def test_nothing_is_executed(folder: Path, protocol: int, key: str):
    attacks = [
        Malicious(os.mkdir, str(marker(folder))),
        Malicious(eval, f"__import__('os').mkdir({str(marker(folder))!r})"),
        Malicious(np.fromfile, "/dev/zero", np.uint8, 10),
        Malicious(np.memmap, str(marker(folder)), np.uint8, "w+", 0, (10,)),
    ]
    for attack in attacks:
        content = pickled(2, protocol=protocol, **{key: attack})
        with pytest.raises(InvalidInputError, match=REFUSED + r"the (name .*, which was not imported|operation \w+)"):
            read_cifar_pickle(written(folder, content))
        assert not marker(folder).exists()
    # the control: the same file does run where it is unpickled
    pickle.loads(pickled(2, protocol=protocol, **{key: attacks[0]}))
    marker(folder).rmdir()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"pickle exhausted before seeing STOP"),
        (b"\x80\x02}", r"pickle exhausted before seeing STOP"),
        (b"\x80\x02}.", r'no dictionary with "data" and "labels"'),
        (b"\x80\x02]K\x01a.", r'no dictionary with "data" and "labels"'),
        *((b"\x80\x02" + broken + b".", ".*") for broken in (b"", b"h\x05", b"e", b"q\x00", b"(]", b"}K\x01a")),
        *(
            (b"\x80\x02" + broken + b".", ".*")
            for broken in (b"]K\x01K\x02s", b"}(K\x01u", b"}]K\x02s", b"}K\x01K\x02s")
        ),
        (b"\x80\x02cos\nsystem\n.", r"the name os.system, which was not imported"),
        (b"\x80\x02cos\n" + b"x" * 99 + b"\n.", r"the name os.x{77}, which was not imported"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"the name os.system, which was not imported"),
        (b"\x80\x04]]\x93.", r".*"),
        (b"\x80\x02cnumpy\ndtype\nU\x01O\x85R.", r"an array that is no matrix of bytes"),
        (b"\x80\x02c_codecs\nencode\nU\x01OU\x03hex\x86R.", r"the encoding b'hex'"),
        (b"\x80\x02K\x01K\x05\x85R.", r".*"),
        (b"\x80\x02cnumpy\ndtype\nNb.", r".*"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)RNb.", r".*"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", r"the operation NEWOBJ, which no such file needs"),
        (b"\x80\x02\x82\x01.", r"the operation EXT1, which no such file needs"),
        (b"\x80\x02Pobject\n.", r"the operation PERSID, which no such file needs"),
        (b"\x80\x02(ios\nsystem\n.", r"the operation INST, which no such file needs"),
        (b"S'\\q'\n.", r"the operation STRING, which no such file needs"),
    ],
)
def test_bad_pickles(folder: Path, content: bytes, message: str):
    with pytest.raises(InvalidInputError, match=REFUSED + message + ".*; download the file again"):
        read_cifar_pickle(written(folder, content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": [1, 2]}, REFUSED + r'no array as "data"'),
        ({"labels": 3}, REFUSED + r'no list of whole numbers as "labels"'),
        ({"labels": [0, 1.5, 2]}, REFUSED + r"the operation BINFLOAT"),
        ({"labels": [0, True, 2]}, REFUSED + r'no list of whole numbers as "labels"'),
        ({"labels": [0, 2**70, 2]}, REFUSED + r'no list of whole numbers as "labels"'),
        ({"labels": [0, 1]}, REFUSED + r"pixels of shape \(3, 3072\) and 2 labels"),
        ({"labels": []}, REFUSED + r"pixels of shape \(3, 3072\) and 0 labels"),
        ({"labels": [0, 1, 10]}, r"batch: expected labels 0 to 9, but found 0 to 10; this is no file of CIFAR-10"),
        ({"labels": [0, -1, 2]}, r"batch: expected labels 0 to 9, but found -1 to 2"),
        ({"data": np.zeros((3, 3071), np.uint8)}, REFUSED + r"pixels of shape \(3, 3071\) and 3 labels"),
        ({"data": np.zeros((3, 3072), np.int8)}, REFUSED + r"an array that is no matrix of bytes"),
        ({"data": np.zeros((3, 3, 1024), np.uint8)}, REFUSED + r"an array that is no matrix of bytes"),
        ({"data": np.array([[object()]])}, REFUSED),
    ],
)
def test_batches_that_are_none(folder: Path, changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        read_cifar_pickle(written(folder, pickled(3, **changes)))


def test_other_labels_of_the_other_set(folder: Path):
    with pytest.raises(InvalidInputError, match=r'CIFAR-100, but found no dictionary with "data" and "fine_labels"'):
        read_cifar_pickle(written(folder, pickled(3)), classes=100)


@given(st.data(), st.sampled_from([2, 4]))
def test_shorter_and_longer_pickles_are_refused(folder: Path, data: st.DataObject, protocol: int):
    content = pickled(2, protocol=protocol)
    if data.draw(st.booleans()):
        with pytest.raises(InvalidInputError, match=REFUSED):
            read_cifar_pickle(written(folder, content[: data.draw(st.integers(0, len(content) - 1))]))
    else:
        extra = data.draw(st.binary(min_size=1, max_size=9))
        with pytest.raises(InvalidInputError, match=REFUSED + rf"{len(extra)} bytes behind its end"):
            read_cifar_pickle(written(folder, content + extra))


FRAGMENTS = [
    *(bytes([code]) for code in b"(.0}]()lt\x85\x86\x87\x88\x89NeasuRb\x81\x94\x93o2"),
    *(
        b"K\x01",
        b"J\xff\xff\xff\xff",
        b"U\x02u1",
        b"U\x04data",
        b"X\x06\0\0\0labels",
        b"q\0",
        b"h\0",
        b"r\xff\xff\xff\xff",
    ),
    *(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n"),
    *(b"cos\nmkdir\n", b"T\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 8, b"\x8a\x02\xff\xff", b"B\x02\0\0\0ab"),
]


@settings(max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=3)), max_size=25))
@example([b"]q\0h\0a"])
def test_any_operations_end_in_an_error_of_ours(folder: Path, operations: list[bytes]):
    with pytest.raises(InvalidInputError, match=REFUSED):
        read_cifar_pickle(written(folder, b"\x80\x02" + b"".join(operations) + b"."))


ZEROS = pickled(2, data=np.zeros((2, 3072), np.uint8), protocol=4)


@settings(max_examples=200)
@given(st.data())
def test_changed_bytes_give_an_error_of_ours_or_images(folder: Path, data: st.DataObject):
    content = bytearray(ZEROS)
    for _ in range(data.draw(st.integers(1, 3))):
        # the pixels are zeros in the middle: what matters is before and behind them
        start = data.draw(st.sampled_from([0, len(content) - 120]))
        content[start + data.draw(st.integers(0, 119))] = data.draw(st.integers(0, 255))
    try:
        pixels, labels = read_cifar_pickle(written(folder, bytes(content)))
    except InvalidInputError:
        return
    assert pixels.shape == (2, 3, 32, 32)
    assert 0 <= labels.min() <= labels.max() < 10


BOMBS = {
    "a length that is forged": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.",
    "a memo index that is forged": b"\x80\x02]r\xff\xff\xff\xff.",
    "copies of a long text": b"\x80\x02X" + struct.pack("<I", 10**5) + b"a" * 10**5 + b"q\0"
    b"" + b"c_codecs\nencode\nh\0X\x06\0\0\0latin1\x86R" * 2000 + b".",
    "lists of lists of lists": b"\x80\x02]q\0"
    + b"".join(
        b"](" + b"h" + bytes([level]) * 1 + (b"h" + bytes([level])) * 9 + b"eq" + bytes([level + 1])
        for level in range(40)
    )
    + b".",
    "a shape that is forged": b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\n)R"
    b"(K\x01J\xff\xff\xff\x7fM\x00\x0c\x86cnumpy\ndtype\nU\x02u1\x85R\x89U\x01atbsU\x06labels]K\x01as.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_no_memory(folder: Path, name: str):
    path = written(folder, BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match=REFUSED):
            read_cifar_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()
