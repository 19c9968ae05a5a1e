"""Arrays in files as they were saved, and files that are damaged or hold something else."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file as save_tensors

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.stored_array import stored_arrays
from experiments.layer_files import KINDS, samples, written

DAMAGED = r"file: expected a whole one, but found .*; save it anew"


def read(path):
    return {name: array.whole() for name, array in stored_arrays(path).items()}


def assert_read_as(path, wanted):
    found = read(path)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")


def tiny():
    return {"features": np.arange(6.0).reshape(3, 2), "labels": np.array([0, 1, 1]), "weight": np.eye(2) / 3}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("whole", ["uint8", "int32", "uint64"])
def test_arrays_come_back_in_their_dtype(tmp_path, kind, dtype, whole):
    data = samples() | {"logits": np.ones((len(samples()["labels"]), 4))}
    data = {name: array.astype(whole if name == "labels" else dtype) for name, array in data.items()}
    assert_read_as(written(tmp_path, kind, **data), data)


def test_bfloat16_comes_back_as_float32(tmp_path):
    features = torch.tensor([[1.0, 2.0**-100], [3.0, 1e30]]).bfloat16()
    save_tensors({"features": features, "labels": torch.arange(2)}, tmp_path / "layer.safetensors")
    found = stored_arrays(tmp_path / "layer.safetensors")["features"]
    assert found.dtype == "bfloat16"
    np.testing.assert_array_equal(found.whole(), features.float().numpy())


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_byte_order_and_memory_order_do_not_show(tmp_path, kind):
    data = tiny()
    other = {name: np.asfortranarray(array.astype(array.dtype.newbyteorder(">"))) for name, array in data.items()}
    path = written(tmp_path, kind, **other)
    assert_read_as(path, data)
    blocks = list(stored_arrays(path)["features"].blocks(2))
    assert [len(block) for block in blocks] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), data["features"])


@pytest.mark.parametrize("kind", KINDS)
def test_other_arrays_and_files_are_not_looked_at(tmp_path, kind):
    path = written(tmp_path, kind, **tiny(), epoch=np.array(7), names=np.arange(3))
    if kind == "folder":
        (path / "README.md").write_text("a layer")
        (path / "._features.npy").write_bytes(b"left by a file manager")
        (path / "old.npy").mkdir()
    elif kind == "npz":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("README.md", "a layer")
            archive.writestr("older/features.npy", b"no array")
    assert_read_as(path, tiny())


def test_compressed_and_large_archives_are_read(tmp_path):
    path = tmp_path / "layer.npz"
    np.savez_compressed(path, **tiny())
    assert_read_as(path, tiny())
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in tiny().items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.save(file, array)
    assert_read_as(path, tiny())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"features": np.array(1.0)},
            r"features: expected shape N x d, but found float64 of shape \(\) in .*; reshape",
        ),
        ({"features": np.zeros((3, 0))}, r"features: expected shape N x d, but found .* \(3, 0\)"),
        (
            {"features": np.zeros((3, 2), int)},
            "features: expected one of float16, .* found int64 .*; convert it to flo",
        ),
        ({"labels": np.array(1)}, r"labels: expected one class number per sample, .* int64 of shape \(\)"),
        (
            {"labels": np.zeros((3, 1, 1))},
            r"labels: expected one class number per sample, .*; save one label per sample",
        ),
        (
            {"labels": np.zeros(3, bool)},
            "labels: expected one class number per sample, N integers, but found (?i:bool)",
        ),
        (
            {"labels": np.zeros(4, int)},
            r"labels: expected 3 rows, as features have, .* \(4,\) .*; save both of the same",
        ),
        ({"weight": np.array(1.0)}, r"weight: expected shape K x d, but found .* \(\)"),
        ({"weight": np.zeros((0, 2))}, r"weight: expected shape K x d, but found .* \(0, 2\)"),
        ({"bias": np.zeros((2, 1))}, r"bias: expected shape K, but found .* \(2, 1\)"),
        ({"logits": np.zeros((2, 2))}, "logits: expected 3 rows, as features have"),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(tmp_path, kind, changed, message):
    with pytest.raises(InvalidInputError, match=message):
        stored_arrays(written(tmp_path, kind, **tiny() | changed))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match=r"file: expected features, but found no .*nowhere.npz; check the path"):
        stored_arrays(tmp_path / "nowhere.npz")
    (tmp_path / "layer.pt").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"file: expected .npz, .safetensors or a folder of .npy, but found"):
        stored_arrays(tmp_path / "layer.pt")
    for kind in KINDS:
        path = written(tmp_path, kind, X=np.eye(2), labels=np.arange(2))
        with pytest.raises(
            InvalidInputError, match=r"file: expected features and labels, but found X, labels in .*; ren"
        ):
            stored_arrays(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="expected features and labels, but found no array in"):
        stored_arrays(tmp_path / "empty")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code from a file was run",))

    objects = np.array([[Trap()]], dtype=object)
    for kind in ("npz", "folder"):
        path = written(tmp_path, kind, features=np.eye(2), labels=np.arange(2), weight=objects)
        with pytest.raises(InvalidInputError, match=r"weight: expected one of float16, .* found object of shape"):
            stored_arrays(path)
    (tmp_path / "raw.npz").write_bytes(objects.dumps())
    with pytest.raises(InvalidInputError, match=DAMAGED):
        stored_arrays(tmp_path / "raw.npz")


@given(cut=st.floats(0, 1, exclude_max=True), kind=st.sampled_from(["npz", "safetensors"]))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, cut, kind):
    path = written(tmp_path_factory.mktemp("cut"), kind, **samples())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(InvalidInputError, match=DAMAGED):
        read(path)


@pytest.mark.parametrize("rest", [0, 5, 60, -8, -1, 8])
def test_a_npy_file_of_another_length_is_refused(tmp_path, rest):
    """Cut, or with more than its header announces: then the header is another array's."""
    path = written(tmp_path, "folder", **tiny()) / "features.npy"
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(rest) if rest == 8 else whole[:rest])
    with pytest.raises(InvalidInputError, match=DAMAGED):
        read(path.parent)


def flipped(path: Path, places, masks):
    """Reads with one byte changed at a time: what differs from the whole file's arrays, by place and mask."""
    whole, wanted, different = path.read_bytes(), read(path), []
    for place in places:
        for mask in masks:
            changed = bytearray(whole)
            changed[place] ^= mask
            path.write_bytes(changed)
            try:
                found = read(path)
            except InvalidInputError:
                continue
            same = found.keys() == wanted.keys() and all(np.array_equal(found[k], wanted[k]) for k in wanted)
            different += [] if same else [(place, mask)]
    return different


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_changed_byte_of_an_archive_changes_an_array(tmp_path, save):
    """Checksums find those in the data; a changed name, size or offset in the directory hides no array either."""
    path = tmp_path / "layer.npz"
    save(path, **tiny(), bias=np.array([0.5, 2.0]))
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    size = path.stat().st_size
    assert flipped(path, range(size), [0xFF]) == []
    save(path, **tiny(), bias=np.array([0.5, 2.0]))
    assert flipped(path, range(directory, size), [1, 4, 0x20]) == []


def test_an_entry_hidden_in_the_comment_of_another_is_missed(tmp_path):
    """The length of the comment of the one before the last, set to the size of the last entry of the directory."""
    path = written(tmp_path, "npz", **tiny(), bias=np.ones(2))
    whole = bytearray(path.read_bytes())
    last = whole.rindex(b"PK\x01\x02")
    end = whole.rindex(b"PK\x05\x06")
    before = whole.rindex(b"PK\x01\x02", 0, last)
    whole[before + 32 : before + 34] = (end - last).to_bytes(2, "little")
    path.write_bytes(whole)
    with pytest.raises(InvalidInputError, match="an entry is there twice, or hidden in the comment of another"):
        stored_arrays(path)


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = written(tmp_path, "npz", **tiny())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.write(written(tmp_path, "folder", weight=np.zeros((2, 2))) / "weight.npy", "weight.npy")
    with pytest.raises(InvalidInputError, match="an entry is there twice"):
        stored_arrays(path)


def test_a_header_of_less_than_the_entry_is_refused(tmp_path):
    """Without the rest of the entry nobody would compare its checksum."""
    path = written(tmp_path, "npz", features=np.ones((1000, 2)), labels=np.zeros(1000, int))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"'descr': '<f8'", b"'descr': '<f4'"))
    with pytest.raises(InvalidInputError, match=r"16128 bytes where its header announces 8128\); save it anew"):
        stored_arrays(path)


@pytest.mark.parametrize("header", [b"{[]: 1}", b"{'a': 1, 2: 3}", b"(((", b"{'shape': (3", b"  x\n y", b"'\x00"])
def test_headers_that_are_no_header_are_refused(tmp_path, header):
    path = written(tmp_path, "folder", **tiny())
    padded = header.ljust(54) + b"\n"
    (path / "labels.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded)
    with pytest.raises(InvalidInputError, match=DAMAGED):
        stored_arrays(path)


@given(length=st.integers(0, 40) | st.integers(2**31, 2**64 - 1), header=st.binary(max_size=40))
def test_a_safetensors_header_of_anything_is_refused(tmp_path_factory, length, header):
    path = tmp_path_factory.mktemp("header") / "layer.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header)
    with pytest.raises(InvalidInputError, match="file: expected"):
        stored_arrays(path)


NAMES = np.array(["owl", "cat", "owl", "dog"])


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (NAMES, [2, 0, 2, 1]),
        (NAMES.astype(object), [2, 0, 2, 1]),
        (NAMES.astype(bytes), [2, 0, 2, 1]),
        (NAMES[:, None], [2, 0, 2, 1]),
        (np.array([1j, 2j, 1j, 3j]), [0, 1, 0, 2]),
        (np.eye(3, dtype=np.float32)[[1, 0, 2, 1]], [1, 0, 2, 1]),
        (np.eye(3, dtype=np.int64)[[1, 0, 2, 1]], [1, 0, 2, 1]),
        (np.eye(3, dtype=bool)[[1, 0, 2, 1]], [1, 0, 2, 1]),
        (np.array([[2], [0], [1], [1]], dtype=np.uint8), [2, 0, 1, 1]),
        (np.array([[2.0], [0.0], [1.0], [1.0]]), [2, 0, 1, 1]),
        (np.array([2.0, 0.0, 1.0, 1.0], dtype=np.float16), [2, 0, 1, 1]),
        (np.array([True, False, True, True]), [1, 0, 1, 1]),
    ],
    ids=lambda value: f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else "",
)
def test_the_remedy_for_labels_works_when_it_is_followed(tmp_path, labels, numbers):
    np.savez(tmp_path / "x.npz", features=np.eye(4), labels=labels)
    with pytest.raises(InvalidInputError, match="labels: expected one class number per sample, N integers") as refusal:
        stored_arrays(tmp_path / "x.npz")
    (code,) = re.findall(r"save (\S.*?)(?:, of the labels.*)?$", str(refusal.value))
    np.savez(tmp_path / "x.npz", features=np.eye(4), labels=eval(code, {"np": np, "labels": labels}))
    assert stored_arrays(tmp_path / "x.npz")["labels"].whole().tolist() == numbers
