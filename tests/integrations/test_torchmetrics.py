"""The torchmetrics metric over batches, processes and precisions; against a small base class and the real one."""

import copy
import pickle
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError, MissingExtraError
from deepcollapse.metrics.collapse_metrics import collapse_metrics
from deepcollapse.stats import class_moments
from integrations.fresh import fresh
from integrations.measured import CLASSES, features

WIDTH = 4
OPTIONS = {"classes": CLASSES, "width": WIDTH}


class SmallMetric(nn.Module):
    """As much of torchmetrics.Metric as the metric stands on."""

    def __init__(self) -> None:
        super().__init__()
        self._defaults, self._reductions = {}, {}

    def add_state(self, name: str, default: torch.Tensor, dist_reduce_fx) -> None:
        self._defaults[name], self._reductions[name] = default.clone(), dist_reduce_fx
        setattr(self, name, default)

    def reset(self) -> None:
        for name, default in self._defaults.items():
            setattr(self, name, default.clone())

    def merge_state(self, other: "SmallMetric") -> None:
        for name, reduction in self._reductions.items():
            setattr(self, name, reduction(torch.stack([getattr(other, name), getattr(self, name)])))

    def _apply(self, fn, exclude_state=""):
        for name, default in self._defaults.items():
            self._defaults[name] = fn(default)
            setattr(self, name, fn(getattr(self, name)))
        return super()._apply(fn)


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.slow)])
def metric(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """The class of the metric."""
    if request.param == "real":
        pytest.importorskip("torchmetrics")
        from deepcollapse.integrations.torchmetrics import CollapseMetric

        return CollapseMetric
    library = ModuleType("torchmetrics")
    library.Metric = SmallMetric
    return fresh(monkeypatch, "torchmetrics", torchmetrics=library).CollapseMetric


def fed(metric, rows: np.ndarray, labels: np.ndarray, *, cuts: tuple[int, ...] = (), **options):
    found = metric(**OPTIONS, **options)
    for part, of_part in zip(np.split(rows, cuts), np.split(labels, cuts), strict=True):
        found.update(torch.as_tensor(part), torch.as_tensor(of_part))
    return found


def expected(rows: np.ndarray, labels: np.ndarray, **options) -> dict[str, float]:
    return collapse_metrics(class_moments(rows, labels, classes=CLASSES), **options).scalars()


def agree(found: dict[str, torch.Tensor], values: dict[str, float], *, size: float) -> None:
    """Merging rounds class means of this size to 2^-53 each time; 1e3 for a dozen merges and the spread's square."""
    assert list(found) == list(values)
    assert {(value.dtype, value.shape) for value in found.values()} == {(torch.float64, ())}
    tolerance = 1e3 * size * 2.0**-53
    np.testing.assert_allclose(
        [x.item() for x in found.values()], list(values.values()), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("cuts", [(), (1, 2, 17), (10, 20), tuple(range(1, 30, 3))])
@pytest.mark.parametrize("spread", [1e-5, 1e-2, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_batches_do_not_matter(metric, cuts, spread, offset):
    rows, labels = features(1, spread=spread)
    found = fed(metric, rows + offset, labels, cuts=cuts).compute()
    relative = max(1.0, offset) / spread  # rounding of the features against what is left of them
    agree(found, expected(rows + offset, labels), size=relative)


def test_collapsed_features_are_exactly_collapsed(metric):
    rows, labels = features(2, spread=0.0)
    found = fed(metric, rows, labels, cuts=(4, 11, 12)).compute()
    assert (found["nc1/papyan"].item(), found["nc1/quotient"].item(), found["cdnv"].item()) == (0.0, 0.0, 0.0)


def test_processes_are_merged(metric):
    rows, labels = features(3)
    whole = fed(metric, rows, labels)
    ends = (0, 7, 7, 30)  # the second process has nothing
    parts = [metric(**OPTIONS) for _ in range(3)]
    for part, start, end in zip(parts, ends, ends[1:], strict=False):
        if end > start:
            part.update(torch.as_tensor(rows[start:end]), torch.as_tensor(labels[start:end]))
    gathered = torch.stack([part.packed for part in parts])
    parts[2].packed = parts[2]._reductions["packed"](gathered)
    agree(parts[2].compute(), expected(rows, labels), size=1.0)
    parts[2].packed = gathered[2]
    parts[0].merge_state(parts[2])
    agree(parts[0].compute(), expected(rows, labels), size=1.0)
    assert parts[0].moments().counts.tolist() == whole.moments().counts.tolist() == [10, 10, 10]


def test_centre(metric):
    rows, labels = features(4)
    kept = (labels > 0) | (np.arange(30) < 15)  # classes of unequal size
    rows, labels = rows[kept], labels[kept]
    found = fed(metric, rows, labels, centre="sample").compute()
    agree(found, expected(rows, labels, centre="sample"), size=1.0)
    assert abs(found["nc1/quotient"].item() - expected(rows, labels)["nc1/quotient"]) > 1e-6


def test_without_the_scatter_the_state_is_small(metric):
    rows, labels = features(5)
    small, whole = fed(metric, rows, labels, scatter=False, cuts=(9,)), fed(metric, rows, labels)
    assert whole.packed.numel() - small.packed.numel() == WIDTH**2
    found, values = small.compute(), expected(rows, labels)
    assert set(values) - set(found) == {"nc1/papyan", "nc1/zhu"}
    agree(found, {name: value for name, value in values.items() if name in found}, size=1.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_features_of_any_precision(metric, dtype):
    rows, labels = features(6)
    rounded = torch.as_tensor(rows).to(dtype).requires_grad_()
    found = metric(**OPTIONS)
    found.update(rounded[:8], torch.as_tensor(labels[:8], dtype=torch.int32))
    found.update(rounded[8:], torch.as_tensor(labels[8:]))
    values = expected(rounded.detach().to(torch.float64).numpy(), labels)
    result = {name: value for name, value in found.compute().items() if not name.endswith("tolerance")}
    agree(result, {name: values[name] for name in result}, size=1.0)  # tolerances follow the precision of the features
    largest = rounded.detach().abs().max().item()
    assert found.moments().resolution == largest * torch.finfo(dtype).eps


def test_calling_updates_and_gives_nothing(metric):
    rows, labels = features(7)
    found = metric(**OPTIONS)
    assert found(torch.as_tensor(rows[:2]), torch.as_tensor(labels[:2])) == {}
    assert found(torch.as_tensor(rows[2:]), torch.as_tensor(labels[2:])) == {}
    agree(found.compute(), expected(rows, labels), size=1.0)


def test_reset_forgets(metric):
    rows, labels = features(8)
    found = fed(metric, *features(9))
    found.reset()
    assert found.moments().total == 0
    found.update(torch.as_tensor(rows), torch.as_tensor(labels))
    agree(found.compute(), expected(rows, labels), size=1.0)


@pytest.mark.parametrize("convert", [lambda m: m.to(torch.bfloat16), lambda m: m.half(), lambda m: m.float()])
def test_a_smaller_precision_of_the_network_does_not_round_the_state(metric, convert):
    rows, labels = features(10)
    found = fed(metric, rows[:11], labels[:11])
    convert(nn.ModuleList([nn.Linear(2, 2), found]))
    assert found.packed.dtype == torch.float64
    found.update(torch.as_tensor(rows[11:]), torch.as_tensor(labels[11:]))
    agree(found.compute(), expected(rows, labels), size=1.0)
    found.reset()
    assert found.packed.dtype == torch.float64


def test_a_class_without_samples(metric):
    rows, labels = features(11)
    kept = labels != 1
    with pytest.raises(InvalidInputError, match=r"classes: expected samples of all 3, but found none of \[1\]"):
        fed(metric, rows[kept], labels[kept]).compute()
    found = fed(metric, rows[kept], labels[kept], drop_empty=True).compute()
    values = collapse_metrics(class_moments(rows[kept], labels[kept] // 2, classes=2)).scalars()
    agree(found, values, size=1.0)


def test_bad_batches_are_refused_and_leave_no_trace(metric):
    rows, labels = (torch.as_tensor(array) for array in features(12))
    found = fed(metric, rows, labels)
    before = found.packed.clone()
    with pytest.raises(InvalidInputError, match="expected 3 classes of width 4, but found 3 of width 2"):
        found.update(rows[:, :2], labels)
    with pytest.raises(InvalidInputError, match="features: expected one row per sample, N x d, but found shape"):
        found.update(rows[None], labels)
    with pytest.raises(InvalidInputError, match="labels: expected 0 to 2, but found 1 to 3"):
        found.update(rows, labels + 1)
    with pytest.raises(InvalidInputError, match="features: expected finite entries, but found nan"):
        found.update(rows * torch.nan, labels)
    assert torch.equal(found.packed, before)


def test_without_torchmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    missing = fresh(monkeypatch, "torchmetrics", torchmetrics=None)
    with pytest.raises(MissingExtraError, match=r"expected torchmetrics .*run: python -m pip install .*\[torchmetrics"):
        missing.CollapseMetric(**OPTIONS)


@pytest.mark.slow
class TestInTorchmetrics:
    def test_in_a_collection(self):
        torchmetrics = pytest.importorskip("torchmetrics")
        from deepcollapse.integrations.torchmetrics import CollapseMetric

        rows, labels = features(13)
        both = torchmetrics.MetricCollection(
            {"class": CollapseMetric(**OPTIONS), "sample": CollapseMetric(**OPTIONS, centre="sample")}, prefix="val/"
        )
        assert both(torch.as_tensor(rows[:13]), torch.as_tensor(labels[:13])) == {}
        both.update(torch.as_tensor(rows[13:27]), torch.as_tensor(labels[13:27]))
        assert len(both.compute_groups) == 1
        found = both.compute()
        for centre in ("class", "sample"):
            name = f"val/{centre}_nc1/papyan"
            value = expected(rows[:27], labels[:27], centre=centre)["nc1/papyan"]
            np.testing.assert_allclose(found[name].item(), value, rtol=1e3 * 2.0**-53)
        both.reset()
        assert both["class"].moments().total == 0

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.clone()])
    def test_copies_go_their_own_way(self, copied):
        pytest.importorskip("torchmetrics")
        from deepcollapse.integrations.torchmetrics import CollapseMetric

        rows, labels = features(14)
        first = fed(CollapseMetric, rows[:9], labels[:9])
        second = copied(first)
        second.update(torch.as_tensor(rows[9:]), torch.as_tensor(labels[9:]))
        assert (first.moments().total, second.moments().total) == (9, 30)
        agree(second.compute(), expected(rows, labels), size=1.0)

    def test_the_state_survives_a_checkpoint(self):
        pytest.importorskip("torchmetrics")
        from deepcollapse.integrations.torchmetrics import CollapseMetric

        first, second = fed(CollapseMetric, *features(15)), CollapseMetric(**OPTIONS)
        first.persistent(True)
        second.persistent(True)
        second.load_state_dict(first.state_dict())
        assert torch.equal(second.packed, first.packed)

    def test_two_processes_agree_with_one(self, tmp_path):
        pytest.importorskip("torchmetrics")
        torch.multiprocessing.spawn(process, args=(str(tmp_path),), nprocs=2)
        rows, labels = features(16)
        for rank in range(2):
            together, own = torch.load(tmp_path / f"{rank}.pt")
            agree(together, expected(rows, labels), size=1.0)
            assert own == (12 if rank == 0 else 18)


def process(rank: int, folder: str) -> None:
    """One of two processes: its part of the data, the result of both, and what is left in it afterwards."""
    from deepcollapse.integrations.torchmetrics import CollapseMetric

    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    rows, labels = features(16)
    part = slice(0, 12) if rank == 0 else slice(12, 30)
    found = fed(CollapseMetric, rows[part], labels[part])
    together = found.compute()
    torch.save((together, found.moments().total), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
