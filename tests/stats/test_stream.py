"""Streams of batches against the moments of all samples at once."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats import MomentStream, class_moments, stream, torch_sums
from stats.labelled import assert_equal_up_to_order, labelled


def streamed(batches, *, classes: int, scatter: bool = True):
    found = MomentStream(classes, scatter=scatter)
    for features, labels in batches:
        found.add(features, labels)
    return found.moments()


@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.sampled_from([2, 3, 7]),
    st.sampled_from([1, 5]),
    st.booleans(),
    st.integers(-9, 0),
    st.sampled_from([0.0, 1e6]),
    st.sampled_from([np.asarray, torch.as_tensor]),
)
def test_batches_do_not_show(seed, samples, classes, width, scatter, exponent, offset, form):
    data = labelled(seed, samples=samples, classes=classes, width=width, spread=10.0**exponent, offset=offset)
    cuts = np.sort(np.random.default_rng(seed).integers(0, samples + 1, 6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_ROWS", 8)
        pairs = zip(*(np.split(part, cuts) for part in data), strict=True)
        found = streamed(((form(x), form(y)) for x, y in pairs), classes=classes, scatter=scatter)
    assert_equal_up_to_order(found, class_moments(*data, classes=classes, scatter=scatter))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("numbers", [torch.uint8, torch.int32, torch.int64])
def test_tensors_are_widened_exactly(dtype: torch.dtype, numbers: torch.dtype):
    features, labels = labelled(1, samples=40, classes=3, width=4, offset=5.0)
    narrow = torch.as_tensor(features).to(dtype)
    found = streamed([(narrow, torch.as_tensor(labels).to(numbers))], classes=3)
    expected = class_moments(narrow.double().numpy(), labels, classes=3)
    np.testing.assert_array_equal(found.scatter, expected.scatter)
    np.testing.assert_array_equal(found.means, expected.means)
    assert found.resolution == expected.resolution * torch.finfo(dtype).eps / 2.0**-52


def test_batches_of_several_kinds():
    features, labels = labelled(2, samples=40, classes=3, width=4)
    parts = [(features[i : i + 10], labels[i : i + 10]) for i in range(0, 40, 10)]
    rounded = [parts[0][0], parts[1][0].astype(np.float32), parts[2][0].astype(np.float16), parts[3][0]]
    rounded[3] = torch.as_tensor(parts[3][0]).bfloat16().requires_grad_()
    mixed = [rounded[0], torch.as_tensor(rounded[1]), rounded[2], rounded[3]]
    found = streamed(
        zip(mixed, [parts[0][1], parts[1][1], torch.as_tensor(parts[2][1]), parts[3][1]], strict=True), classes=3
    )
    wide = np.concatenate([np.asarray(torch.as_tensor(part).detach().double()) for part in rounded])
    expected = class_moments(wide, labels, classes=3)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.scatter, expected.scatter, rtol=0, atol=1e-14 * expected.scatter.trace())
    assert found.resolution == np.abs(wide[30:]).max() * 2.0**-7


def test_samples_may_follow_after_a_look():
    features, labels = labelled(3, samples=90, classes=3, width=4)
    found = MomentStream(3)
    for end in (30, 60, 90):
        found.add(features[end - 30 : end], labels[end - 30 : end])
        seen = found.moments()
        assert_equal_up_to_order(seen, class_moments(features[:end], labels[:end], classes=3))
        assert_equal_up_to_order(found.moments(), seen)
    assert seen.total == 90


@pytest.mark.parametrize("form", [np.asarray, torch.as_tensor])
def test_what_waits_is_a_copy(form):
    features, labels = labelled(4, samples=20, classes=2, width=3)
    batch, numbers = form(features.copy()), form(labels.copy())
    found = MomentStream(2)
    found.add(batch, numbers)
    batch[...] = 7.0
    numbers[...] = 1
    assert_equal_up_to_order(found.moments(), class_moments(features, labels, classes=2))


def test_large_batches_do_not_wait():
    features, labels = labelled(5, samples=3000, classes=2, width=3)
    found = MomentStream(2)
    found.add(features, labels)
    features[...] = 0.0
    expected, _ = labelled(5, samples=3000, classes=2, width=3)
    assert_equal_up_to_order(found.moments(), class_moments(expected, labels, classes=2))


def on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tensors of the CPU be summed by torch, as those of another device are."""

    def keep(features, labels):
        return features, torch.as_tensor(labels).long(), torch.finfo(features.dtype).eps

    monkeypatch.setattr(torch_sums, "side_by_side", keep)


def test_sums_on_another_device(monkeypatch: pytest.MonkeyPatch):
    on_the_device(monkeypatch)
    monkeypatch.setattr(stream, "_ROWS", 16)
    features, labels = labelled(6, samples=100, classes=5, width=4, offset=1e6, spread=1e-4)
    tensors = [(torch.as_tensor(features[i : i + 7]), labels[i : i + 7]) for i in range(0, 100, 7)]
    for scatter in (True, False):
        found = streamed(tensors, classes=6, scatter=scatter)
        assert_equal_up_to_order(found, class_moments(features, labels, classes=6, scatter=scatter))


def test_collapsed_features_on_another_device_have_exactly_no_scatter(monkeypatch: pytest.MonkeyPatch):
    on_the_device(monkeypatch)
    means = torch.as_tensor(1e6 + np.random.default_rng(7).standard_normal((3, 5))).float()
    found = streamed([(means[[0, 1, 0]], np.array([0, 1, 0])), (means[[2, 1]], np.array([2, 1]))], classes=3)
    np.testing.assert_array_equal(found.scatter, 0.0)
    np.testing.assert_array_equal(found.spreads, 0.0)
    np.testing.assert_array_equal(found.means, means.double().numpy())


def test_devices_are_merged(monkeypatch: pytest.MonkeyPatch):
    on_the_device(monkeypatch)
    features, labels = labelled(8, samples=60, classes=3, width=4)
    halves = [(features[:30], labels[:30]), (torch.as_tensor(features[30:]), labels[30:])]
    found = MomentStream(3)
    for half in halves:
        found.add(*half)
    found._sums["elsewhere"] = found._sums.pop("cpu")
    expected = class_moments(features, labels, classes=3)
    np.testing.assert_array_equal(found.moments().counts, expected.counts)
    np.testing.assert_allclose(found.moments().scatter, expected.scatter, rtol=0, atol=1e-13)


def test_a_device_without_float64_goes_through_the_cpu(monkeypatch: pytest.MonkeyPatch):
    def no_double(*_, **__):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    assert torch_sums.has_float64(torch.device("cpu"))
    monkeypatch.setattr(torch_sums.torch, "zeros", no_double)
    assert not torch_sums.has_float64(torch.device("mps"))
    torch_sums.has_float64.cache_clear()


EYE = np.eye(2)
BAD = [
    ([(EYE.tolist(), np.arange(2))], r"features: expected a NumPy array or a tensor, but found list; convert"),
    ([(EYE, [0, 1])], r"labels: expected a NumPy array or a tensor, but found list; convert"),
    ([(torch.eye(2).int(), np.arange(2))], r"features: expected floating-point numbers, but found int32"),
    ([(torch.eye(2), torch.tensor([True, False]))], r"labels: expected whole numbers, but found bool"),
    ([(torch.eye(2), torch.tensor([0.0, 1.0]).bfloat16())], r"labels: expected whole numbers, but found float32"),
    ([(EYE, np.arange(3))], r"labels: expected one number per sample, but found shape \(3,\) for 2 samples"),
    ([(torch.zeros(2, 3, 4, 4), np.arange(2))], r"N x d, but found shape \(2, 3, 4, 4\); flatten or pool"),
    ([(EYE, np.arange(2)), (np.eye(3), np.arange(3))], r"expected width 2 as before, but found 3; use one stream per"),
    ([(EYE, np.array([0, 3]))], r"labels: expected 0 to 2, but found 0 to 3; relabel, or raise"),
    ([(EYE, np.arange(2)), (EYE * np.nan, np.arange(2))], r"found nan at \(2, 0\), the first of at least 4"),
    ([(torch.full((1, 2), 1e5).half(), np.arange(1))], r"found inf at \(0, 0\), .* float16 overflows beyond 65504"),
    ([(np.array([[1e200], [-1e200]]), np.zeros(2, dtype=int))], r"expected squares within .* up to 1e\+200; rescale"),
    ([], r"features: expected at least one sample, but found none; add batches first"),
    ([(EYE[:0], np.arange(0))], r"features: expected at least one sample, but found none; add batches first"),
]


@pytest.mark.parametrize(("batches", "message"), BAD)
@pytest.mark.parametrize("device", [False, True])
def test_bad_input(batches: list, message: str, device: bool, monkeypatch: pytest.MonkeyPatch):
    if device and all(isinstance(x, np.ndarray) and x.dtype == float and isinstance(y, np.ndarray) for x, y in batches):
        on_the_device(monkeypatch)
        batches = [(torch.as_tensor(features), labels) for features, labels in batches]
    with pytest.raises(InvalidInputError, match=message):
        streamed(batches, classes=3)


def test_half_precision_overflow_on_another_device(monkeypatch: pytest.MonkeyPatch):
    on_the_device(monkeypatch)
    with pytest.raises(InvalidInputError, match=r"found inf at \(1, 1\), the first of at least 1; float16 overflows"):
        streamed([(torch.tensor([[0.0, 1.0], [2.0, 1e6]]).half(), np.arange(2))], classes=2)


def test_numbers_that_cannot_be_summed_stay_an_error():
    found = MomentStream(2)
    found.add(EYE, np.array([0, 2]))
    for _ in range(2):
        with pytest.raises(InvalidInputError, match=r"labels: expected 0 to 1, but found 0 to 2"):
            found.moments()


def test_two_classes_at_least():
    with pytest.raises(InvalidInputError, match=r"classes: expected at least 2, but found 1"):
        MomentStream(1)


def test_statistics_of_arrays_do_not_load_torch():
    code = (
        "import sys, numpy as np\n"
        "from deepcollapse.stats import MomentStream\n"
        "stream = MomentStream(2)\n"
        "stream.add(np.eye(2), np.arange(2))\n"
        "stream.moments()\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
