"""Data sets found in folders, archives, and subsets of them."""

import gzip
import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import LabelledImages, Split
from deepcollapse.networks.data_folder import DATA_SETS, data_folder
from deepcollapse.networks.npz import read_npz
from deepcollapse.networks.subsets import class_rows, long_tail, normalised, renumbered

SHARED = Path(__file__).parents[3] / "shared" / "data" / "cifar10_train4k.npz"


def drawn(count: int, shape: tuple[int, ...], *, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8), labels


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray, *, part: str, zipped: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = b"\0\0\x08\3" + struct.pack(">3I", len(images), *images.shape[2:]) + images.tobytes()
    classes = b"\0\0\x08\1" + struct.pack(">I", len(labels)) + labels.astype(np.uint8).tobytes()
    for name, content in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", classes)):
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)


def write_cifar(folder: Path, images: np.ndarray, labels: np.ndarray, *, names: list[str], classes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pieces = zip(names, np.array_split(images, len(names)), np.array_split(labels, len(names)), strict=True)
    for name, pixels, own in pieces:
        if name.endswith(".bin"):
            coarse = [b"\0" if classes == 100 else b""] * len(own)
            records = zip(coarse, own.tolist(), pixels, strict=True)
            content = b"".join(above + bytes([label]) + image.tobytes() for above, label, image in records)
        else:
            key = b"labels" if classes == 10 else b"fine_labels"
            content = pickle.dumps({b"data": pixels.reshape(len(own), -1), key: own.tolist()}, protocol=2)
        (folder / name).write_bytes(content)


BATCHES = [f"data_batch_{part}" for part in range(1, 6)]


def write(root: Path, name: str, kind: str) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    classes = 100 if name == "cifar100" else 10
    shape = (3, 32, 32) if "cifar" in name else (1, 28, 28)
    train, test = (drawn(count * classes, shape, classes=classes, seed=count) for count in (5, 2))
    if "mnist" in name:
        folder = root / ("FashionMNIST" if "fashion" in name else "MNIST") / "raw"
        write_idx(folder, *train, part="train", zipped=kind == "gz")
        write_idx(folder, *test, part="t10k", zipped=kind == "gz")
        return train, test
    folder = (
        root
        / {"cifar10": {"py": "cifar-10-batches-py", "bin": "cifar-10-batches-bin"}}.get(
            name, {"py": "cifar-100-python", "bin": "cifar-100-binary"}
        )[kind]
    )
    names = (BATCHES, ["test_batch"]) if classes == 10 else (["train"], ["test"])
    for part, files in zip((train, test), names, strict=True):
        files = [f"{file}.bin" if kind == "bin" else file for file in files]
        write_cifar(folder, *part, names=files, classes=classes)
    return train, test


KINDS = [(name, kind) for name in DATA_SETS for kind in (("gz", "plain") if "mnist" in name else ("py", "bin"))]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_layout_is_found_and_read(tmp_path: Path, name: str, kind: str):
    (images, labels), (held_out, held_out_labels) = write(tmp_path, name, kind)
    split = data_folder(tmp_path, name)
    order = np.argsort(labels, kind="stable")
    assert split.train.images.dtype == split.test.images.dtype == np.float32
    assert split.train.labels.dtype == np.int64
    assert split.train.in_class_order
    np.testing.assert_array_equal(split.train.labels, labels[order])
    # float32 rounds a quotient to half a unit in the last place, 2^-24 relative
    np.testing.assert_allclose(split.train.images, images[order] / 255, rtol=2**-24)
    np.testing.assert_allclose(split.test.images, held_out / 255, rtol=2**-24)
    np.testing.assert_array_equal(split.test.labels, held_out_labels)
    assert split.train.classes == split.test.classes == (100 if name == "cifar100" else 10)
    (folder,) = {path.parent for path in tmp_path.rglob("*") if path.is_file()}
    np.testing.assert_array_equal(data_folder(str(folder), name).train.images, split.train.images)


def test_subsets_of_a_folder(tmp_path: Path):
    (images, labels), (_, held_out) = write(tmp_path, "mnist", "plain")
    split = data_folder(tmp_path, "mnist", classes=(7, 0, 3), per_class=(4, 1, 2))
    assert split.train.class_counts == (4, 1, 2)
    assert split.test.class_counts == (2, 2, 2)
    rows = [*np.flatnonzero(labels == 7)[:4], *np.flatnonzero(labels == 0)[:1], *np.flatnonzero(labels == 3)[:2]]
    np.testing.assert_allclose(split.train.images, images[rows] / 255, rtol=2**-24)
    np.testing.assert_array_equal(np.array([7, 0, 3])[split.test.labels], held_out[np.isin(held_out, (0, 3, 7))])
    first, again, other = (
        data_folder(tmp_path, "mnist", per_class=3, generator=np.random.default_rng(seed)).train for seed in (0, 0, 1)
    )
    assert first.class_counts == (3,) * 10
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mnist",
            r"expected mnist as train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
            r"t10k-labels-idx1-ubyte \(or with .gz\) in {root}/MNIST/raw, but found none of them; put them there",
        ),
        (
            "cifar10",
            r"expected cifar10 as data_batch_1, .*, data_batch_5, test_batch in {root}/cifar-10-batches-py, but found "
            r"none of them; put them there \(the other format goes to {root}/cifar-10-batches-bin\), or name another",
        ),
        ("cifar100", r"expected cifar100 as train, test in {root}/cifar-100-python, but found none of them"),
    ],
)
def test_missing_folders(tmp_path: Path, name: str, message: str):
    with pytest.raises(InvalidInputError, match=message.replace("{root}", str(tmp_path))):
        data_folder(tmp_path, name)


def test_missing_files(tmp_path: Path):
    write(tmp_path, "cifar10", "bin")
    (tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    with pytest.raises(
        InvalidInputError,
        match=r"data_batch_5.bin, test_batch.bin in .*cifar-10-batches-bin, but found all but data_batch_3.bin; put",
    ):
        data_folder(tmp_path, "cifar10")


def test_other_contents(tmp_path: Path):
    with pytest.raises(InvalidInputError, match=r"name: expected one of mnist, .*, cifar100, but found 'svhn'; choose"):
        data_folder(tmp_path, "svhn")
    images, labels = drawn(20, (1, 28, 28), classes=10, seed=0)
    folder = tmp_path / "MNIST" / "raw"
    write_idx(folder, images, labels, part="train", zipped=False)
    for wrong in (labels % 9, labels + 1):
        write_idx(folder, images, wrong, part="t10k", zipped=False)
        with pytest.raises(
            InvalidInputError, match=r"raw: expected images of classes 0 to 9 in t10k-.*; download mnist again"
        ):
            data_folder(tmp_path, "mnist")
    write_idx(folder, images[:19], labels, part="t10k", zipped=False)
    with pytest.raises(InvalidInputError, match=r"t10k-labels-idx1-ubyte: expected 19 labels, .* but found 20; pair"):
        data_folder(tmp_path, "mnist")


@given(st.integers(2, 6), st.integers(0, 2**32), st.booleans())
def test_rows_of_classes(classes: int, seed: int, generated: bool):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 9, classes)
    labels = rng.permutation(np.repeat(np.arange(classes), counts))
    sizes = [int(rng.integers(1, count + 1)) for count in counts]
    rows = class_rows(labels, sizes, generator=rng if generated else None)
    assert len(set(rows.tolist())) == len(rows) == sum(sizes)
    start = 0
    for label, size in enumerate(sizes):
        own = rows[start : start + size].tolist()
        start += size
        assert own == sorted(own)
        assert {labels[row] for row in own} == {label}
        if not generated:
            assert own == [row for row in range(len(labels)) if labels[row] == label][:size]


@given(st.integers(0, 2**32))
def test_renumbered_classes(seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.arange(6), rng.integers(0, 6, 20)]))
    classes = rng.permutation(6)[: rng.integers(2, 7)].tolist()
    rows, found = renumbered(labels, classes)
    expected = [(row, classes.index(label)) for row, label in enumerate(labels.tolist()) if label in classes]
    assert list(zip(rows.tolist(), found.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_rows(np.array([0, 1]), [1]), r"sizes: expected 2 numbers, one per class, but found 1; give one"),
        (
            lambda: class_rows(np.array([0, 1, 1]), [1, 3]),
            r"sizes: expected 1 to 2 for class 1, .* but found 3; change",
        ),
        (
            lambda: class_rows(np.array([0, 1]), [0, 1]),
            r"sizes: expected 1 to 1 for class 0, .* but found 0; change per_class",
        ),
        (lambda: renumbered(np.array([0, 1]), [1]), r"classes: expected at least two different ones, but found \[1\]"),
        (lambda: renumbered(np.array([0, 1]), [1, 1]), r"classes: expected at least two different ones, .* \[1, 1\]"),
        (lambda: renumbered(np.array([0, 1]), [1, 2]), r"classes: expected classes of the data set, but found \[2\]"),
        (lambda: long_tail(0, classes=2, ratio=1.0), r"largest: expected a finite number >= 1, but found 0; raise it"),
        (lambda: long_tail(5, classes=1, ratio=1.0), r"classes: expected a finite number >= 2, but found 1"),
        (lambda: long_tail(5, classes=2, ratio=0.5), r"ratio: expected a finite number >= 1.0, but found 0.5"),
        (lambda: long_tail(5, classes=2, ratio=float("nan")), r"ratio: expected a finite number >= 1.0, but found nan"),
    ],
)
def test_bad_subsets(call: Callable[[], object], message: str):
    with pytest.raises(InvalidInputError, match=message):
        call()


@given(st.integers(1, 5000), st.integers(2, 100), st.floats(1.0, 1e6))
def test_long_tails(largest: int, classes: int, ratio: float):
    sizes = long_tail(largest, classes=classes, ratio=ratio)
    assert sizes[0] == largest
    assert min(sizes) == sizes[-1] == max(1, round(largest / ratio))
    assert sorted(sizes, reverse=True) == list(sizes)


@given(st.integers(0, 2**32), st.sampled_from([(3, 4, 5), (1, 2, 2), (6,)]))
def test_normalised_images(seed: int, shape: tuple[int, ...]):
    rng = np.random.default_rng(seed)
    shift = rng.random((1, shape[0], *(1,) * (len(shape) - 1))) if len(shape) > 1 else 0.4
    train, test = (
        LabelledImages((shift + 0.3 * rng.random((n, *shape))).astype(np.float32), np.zeros(n, np.int64), 1)
        for n in (7, 3)
    )
    found = normalised(Split(train, test))
    for channel in range(shape[0] if len(shape) > 1 else 1):
        pick = (slice(None), channel) if len(shape) > 1 else slice(None)
        values = train.images[pick].astype(np.float64)
        for part, given_part in ((found.train, train), (found.test, test)):
            expected = (given_part.images[pick] - values.mean()) / values.std()
            # differences of numbers below 2 in float32, over a deviation above 0.01
            np.testing.assert_allclose(part.images[pick], expected, rtol=0, atol=8 * 2**-23 / values.std())
            assert part.images.dtype == np.float32
    np.testing.assert_array_equal(found.test.labels, test.labels)


def test_constant_channels_have_no_scale():
    images = np.random.default_rng(0).random((4, 2, 3, 3)).astype(np.float32)
    images[:, 1] = 0.1
    data = LabelledImages(images, np.zeros(4, np.int64), 1)
    with pytest.raises(
        InvalidInputError, match=r"images: expected channels that vary, but found channel 1 constant; l"
    ):
        normalised(Split(data, data))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


def saved(folder: Path, **given: np.ndarray) -> Path:
    path = folder / "images.npz"
    np.savez_compressed(path, **given)
    return path


@given(
    st.sampled_from([(4, 5), (3, 4, 5), (4, 5, 3), (4, 5, 1), (7,), (2, 3, 4)]),
    st.sampled_from([np.uint8, np.float16, np.float32, np.float64]),
    st.sampled_from([("X", "y"), ("images", "labels")]),
    st.sampled_from(["C", "F"]),
)
def test_archives_are_read(folder: Path, shape: tuple[int, ...], dtype: type, names: tuple[str, str], order: str):
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (6, *shape)) if dtype is np.uint8 else rng.standard_normal((6, *shape))).astype(
        dtype
    )
    labels = np.array([0, 3, 1, 2, 2, 1], dtype=rng.choice(["u1", "i4", ">i8"]))
    found = read_npz(saved(folder, **dict(zip(names, (np.asarray(images, order=order), labels), strict=True))))[0]
    expected = images / 255 if dtype is np.uint8 else images
    if len(shape) == 2:
        expected = expected.reshape(6, 1, *shape)
    elif shape[-1] in (1, 3) and len(shape) == 3:
        expected = np.stack([expected[..., channel] for channel in range(shape[-1])], axis=1)
    np.testing.assert_allclose(found.images, expected, rtol=2**-24)
    assert found.images.dtype == np.float32
    np.testing.assert_array_equal(found.labels, labels)
    assert found.classes == 4


GOOD = {"X": np.ones((4, 2, 2), np.uint8), "y": np.arange(4)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"X": np.ones((4, 2, 2), int)},
            r"images.npz: expected images of whole numbers of one byte .* found int64 of s",
        ),
        ({"X": np.ones(4)}, r"images.npz: expected images .* found float64 of shape \(4,\); save images\[:, None\]"),
        ({"X": np.full((4, 2), np.nan)}, r"images.npz: expected images that are finite in float32, but found NaN"),
        ({"X": np.full((4, 2), 1e300)}, r"images.npz: expected images that are finite in float32"),
        ({"X": np.ones((4, 0))}, r'expected "X" to hold numbers, .* claims float64 of shape \(4, 0\) before 0 bytes'),
        ({"X": np.array([["a"]] * 4)}, r'expected "X" to hold numbers, .* claims <U1 of shape \(4, 1\)'),
        ({"X": np.array([[{}]] * 4)}, r'expected "X" to hold numbers, .* claims object of shape \(4, 1\)'),
        (
            {"y": np.arange(3)},
            r"images.npz: expected 4 whole numbers or names as labels, .* found int64 of shape \(3,\); save",
        ),
        (
            {"y": np.arange(4.0)},
            r"images.npz: expected 4 whole numbers or names as labels, .* found float64 of shape \(4,\)",
        ),
        ({"y": np.arange(-1, 3)}, r"images.npz: expected labels 0 to K - 1, but found -1 to 2; save"),
        ({"y": np.array([0, 1, 2, 2**31])}, r"images.npz: expected labels 0 to K - 1, but found 0 to 2147483648"),
    ],
)
def test_bad_archives(folder: Path, changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        read_npz(saved(folder, **(GOOD | changes)))


def test_other_files(folder: Path):
    with pytest.raises(
        InvalidInputError, match=r'expected the arrays "X" and "y", or .* but found X, z; save them under'
    ):
        read_npz(saved(folder, X=GOOD["X"], z=GOOD["y"]))
    path = folder / "other"
    for content in (b"", b"no archive", pickle.dumps([1])):
        path.write_bytes(content)
        with pytest.raises(
            InvalidInputError, match=r"other: expected a readable .npz archive, but found: .*; check the"
        ):
            read_npz(path)
    with pytest.raises(InvalidInputError, match=r"nowhere: expected a readable .npz archive"):
        read_npz(folder / "nowhere")


def header(shape: str, *, descr: str = "'|u1'", version: bytes = b"\1\0") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def archive(folder: Path, member: bytes) -> Path:
    labels = io.BytesIO()
    np.save(labels, GOOD["y"])
    path = folder / "forged.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("X.npy", member)
        file.writestr("y.npy", labels.getvalue())
    return path


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (header("(4, 2**40)") + bytes(8), r'expected "X" to be an array in NumPy\'s format, but found'),
        (header("(4, 1099511627776)") + bytes(8), r"claims uint8 of shape \(4, 1099511627776\) before 8 bytes; save"),
        (header("(-4, -2)") + bytes(8), r"claims uint8 of shape \(-4, -2\) before 8 bytes"),
        (header("(4, 3)") + bytes(8), r"claims uint8 of shape \(4, 3\) before 8 bytes"),
        (header("(4, 1)") + bytes(8), r"claims uint8 of shape \(4, 1\) before 8 bytes"),
        (header("(4, 1)", descr="'|O'") + bytes(32), r"claims object of shape \(4, 1\) before 32 bytes"),
        (header("(4, 1)", descr="[('a', '|u1')]") + bytes(4), r"claims \[\('a', 'u1'\)\] of shape \(4, 1\)"),
        (header("(4, 1)", descr="__import__('os')") + bytes(4), r'expected "X" to be an array in NumPy\'s format'),
        (header("(" * 300 + ")" * 300) + bytes(4), r'expected "X" to be an array in NumPy\'s format'),
        (header("(4, 2)", version=b"\3\0") + bytes(8), r"but found: version \(3, 0\) of the format; save it again"),
        (b"", r'expected "X" to be an array in NumPy\'s format'),
        (b"\x93NUMPX\1\0", r'expected "X" to be an array in NumPy\'s format'),
    ],
)
def test_forged_members(folder: Path, member: bytes, message: str):
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match=message):
            read_npz(archive(folder, member))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@settings(max_examples=200)
@given(st.data())
def test_damaged_archives_are_refused_or_hold_what_was_saved(folder: Path, data: st.DataObject):
    content = bytearray(saved(folder, **GOOD).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "damaged.npz"
    path.write_bytes(bytes(content))
    try:
        found, _ = read_npz(path)
    except InvalidInputError:
        return
    np.testing.assert_array_equal(found.labels, GOOD["y"])
    np.testing.assert_array_equal(found.images, np.full((4, 1, 2, 2), np.float32(1 / 255)))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write_are_not_decompressed(folder: Path, compression: int):
    path = folder / "other.npz"
    with zipfile.ZipFile(saved(folder, **GOOD)) as good, zipfile.ZipFile(path, "w", compression) as other:
        for name in good.namelist():
            other.writestr(name, good.read(name))
    with pytest.raises(
        InvalidInputError, match=r'expected "X" stored or deflated, as NumPy does, but found another com'
    ):
        read_npz(path)


def test_names_that_are_no_text(folder: Path):
    content = bytearray(saved(folder, **GOOD).read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 9] |= 0x08  # the flag of UTF-8, in the central directory
    content[entry + 46] = 0xFF
    path = folder / "names.npz"
    path.write_bytes(bytes(content))
    with pytest.raises(
        InvalidInputError, match=r"names.npz: expected a readable .npz archive, but found: 'utf-8' codec"
    ):
        read_npz(path)


@settings(max_examples=200)
@given(st.binary(max_size=80), st.booleans())
def test_any_member_is_an_error_of_ours(folder: Path, content: bytes, magic: bool):
    with pytest.raises(InvalidInputError, match=r'expected "X" to'):
        read_npz(archive(folder, b"\x93NUMPY\1\0" * magic + content))


@pytest.mark.skipif(not SHARED.exists(), reason="the real images are not here")
def test_real_images():
    data, _ = read_npz(SHARED)
    assert data.images.shape == (4000, 3, 32, 32)
    assert data.classes == 10
    with np.load(SHARED) as archive:
        np.testing.assert_allclose(data.images[17, :, 3, 4], archive["X"][17, 3, 4] / 255, rtol=2**-24)
        np.testing.assert_array_equal(data.labels, archive["y"])


@pytest.mark.parametrize("spelling", ["{0}.idx{1}", "{0}-idx{1}", "{0}.idx{1}.gz", "{0}-idx{1}/{0}-idx{1}"])
def test_idx_files_as_others_spell_them(tmp_path: Path, spelling: str):
    (images, labels), _ = write(tmp_path, "mnist", "gz" if spelling.endswith(".gz") else "plain")
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        stem, _, rest = file.name.removesuffix(".gz").partition("-idx")
        moved = tmp_path / "elsewhere" / spelling.format(stem, rest)
        moved.parent.mkdir(parents=True, exist_ok=True)
        if moved.parent.is_file() or moved.is_dir():
            raise AssertionError(moved)
        file.rename(moved)
    found = data_folder(tmp_path / "elsewhere", "mnist").train
    order = np.argsort(labels, kind="stable")
    np.testing.assert_allclose(found.images, images[order] / 255, rtol=2**-24)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_archive_of_keras(tmp_path: Path, name: str):
    train, test = (drawn(count * 10, (1, 28, 28), classes=10, seed=count) for count in (5, 2))
    arrays = {"x_train": train[0][:, 0], "y_train": train[1], "x_test": test[0][:, 0], "y_test": test[1]}
    np.savez(tmp_path / f"{name}.npz", **arrays)
    split = data_folder(tmp_path, name)
    order = np.argsort(train[1], kind="stable")
    np.testing.assert_allclose(split.train.images, train[0][order] / 255, rtol=2**-24)
    np.testing.assert_allclose(split.test.images, test[0] / 255, rtol=2**-24)
    np.testing.assert_array_equal(split.test.labels, test[1])
    np.savez(tmp_path / f"{name}.npz", **(arrays | {"x_train": train[0].astype(float)}))
    with pytest.raises(
        InvalidInputError, match=r'expected unsigned bytes .* for the part train, .* with source "file"'
    ):
        data_folder(tmp_path, name)
    assert len(read_npz(tmp_path / f"{name}.npz")[0].images) == 50


PAIRS = [("X", "y"), ("x", "y"), ("images", "labels"), ("image", "label"), ("x_train", "y_train")]
PAIRS += [("X_train", "y_train"), ("train_images", "train_labels")]


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("names", PAIRS)
def test_archives_as_others_name_their_arrays(folder: Path, names: tuple[str, str], column: bool):
    labels = np.array([2, 0, 1, 2])
    images, held_out = np.arange(16.0).reshape(4, 2, 2), np.ones((2, 2, 2))
    given = dict(zip(names, (images, labels[:, None] if column else labels), strict=True))
    tested = "train" in names[0]
    if tested:
        given |= {name.replace("train", "test"): part for name, part in zip(names, (held_out, labels[:2]), strict=True)}
    train, test = read_npz(saved(folder, **given))
    np.testing.assert_array_equal(train.images[:, 0], images)
    np.testing.assert_array_equal(train.labels, labels)
    assert (test is not None) == tested
    if test is not None:
        np.testing.assert_array_equal(test.labels, labels[:2])
        np.testing.assert_array_equal(test.images[:, 0], held_out)


@pytest.mark.parametrize("dtype", ["U", "S"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_names_of_classes_are_numbered_in_alphabetical_order(folder: Path, dtype: str, shape: tuple[int, ...]):
    names = np.array(["owl", "cat", "dog", "cat"], dtype=dtype).reshape(shape)
    given = {"x_train": np.ones((4, 3)), "y_train": names, "x_test": np.ones((2, 3)), "y_test": names[2:]}
    train, test = read_npz(saved(folder, **given))
    assert (train.labels.tolist(), train.classes) == ([2, 0, 1, 0], 3)
    assert test.labels.tolist() == [1, 0]
    with pytest.raises(InvalidInputError, match=r"names of the training classes for testing, too, .*; leave these"):
        read_npz(saved(folder, **(given | {"y_test": np.array(["cat", "emu"], dtype=dtype)})))
    with pytest.raises(InvalidInputError, match=r"expected labels of one kind .*; save both as labels.astype"):
        read_npz(saved(folder, **(given | {"y_test": np.array([0, 1])})))


@pytest.mark.parametrize(
    ("labels", "remedy", "follow"),
    [
        (np.eye(4), r"save labels.argmax\(axis=1\)", lambda labels: labels.argmax(axis=1)),
        (np.arange(4.0), r'save labels.astype\("int64"\)', lambda labels: labels.astype("int64")),
        (np.arange(4.0)[:, None], r'save labels.astype\("int64"\)', lambda labels: labels.astype("int64")),
        (np.arange(4) - 1, r"save numpy.unique\(labels", lambda labels: np.unique(labels, return_inverse=True)[1]),
        (np.array(list("abcd"), dtype=object), r'save y.astype\("str"\)', lambda labels: labels.astype("str")),
    ],
)
def test_labels_of_another_kind_are_read_once_the_advice_is_followed(folder: Path, labels, remedy, follow):
    with pytest.raises(InvalidInputError, match=remedy):
        read_npz(saved(folder, X=GOOD["X"], y=labels))
    assert read_npz(saved(folder, X=GOOD["X"], y=follow(labels)))[0].labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("images", [np.full((4, 2, 2), 7), np.arange(4.0), np.full((4, 2, 2), 7, dtype=np.uint16)])
def test_images_of_another_kind_are_read_once_the_advice_is_followed(folder: Path, images: np.ndarray):
    with pytest.raises(InvalidInputError, match=r"; save images") as refusal:
        read_npz(saved(folder, X=images, y=GOOD["y"]))
    followed = eval(str(refusal.value).partition("; save ")[2], {"images": images})
    assert len(read_npz(saved(folder, X=followed, y=GOOD["y"]))[0].images) == 4
