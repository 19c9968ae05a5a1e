"""Features, labels and a classifier in files, measured block by block without holding them in memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.stored_array import StoredArray, as_numpy, stored_arrays
from deepcollapse.metrics import CollapseMetrics, collapse_metrics, nc4_matches
from deepcollapse.stats import Centre, ClassMoments, MomentStream

__all__ = ["FeatureMeasurement", "measure_files"]

_BLOCK = 1 << 21  # entries read at a time: 16 MiB in float64
_CLASSES_MAX = 1_000_000
_FAR = 0.01  # bfloat16 rounds to 2^-9 of a number; another classifier, or other rows, change all of it


@dataclass(frozen=True, slots=True)
class FeatureMeasurement:
    """The metrics of features in files.

    Attributes:
        metrics: of all files together.
        kept: the classes measured, by their numbers in the labels; per-class values follow this order.
        dropped: classes without samples that were left out.
        warnings: of the metrics, and of the input.
    """

    metrics: CollapseMetrics
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Those of the metrics, with ``kept`` and ``dropped`` classes and all warnings."""
        added = {"kept": list(self.kept), "dropped": list(self.dropped), "warnings": list(self.warnings)}
        return self.metrics.as_json() | added


def measure_files(
    paths: Sequence[str | PathLike[str]],
    *,
    classes: int | None = None,
    drop_empty: bool = False,
    centre: Centre = "class",
    rtol: float = 1e-3,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FeatureMeasurement:
    """All collapse metrics of features in files, which together are one data set.

    One pass for the moments and, where there are logits or a classifier, a second one for NC4. With both, the
    classifier counts. O(d^2 + K d) memory beside one block of rows (and beside one whole array of an ``.npz``).

    Args:
        paths: see ``stored_arrays``. Weight and bias may stand in any of them; where in several, they must be equal.
        classes: K; None for the rows of the weight, else the columns of the logits, else the largest label + 1.
        drop_empty: leave out classes without samples, and their rows of the classifier, rather than refuse.
        centre: where class means are centred, "class" or "sample".
        rtol: from 0 up to 1; which directions of the class means count, see ``between_class``.
        progress: called with rows done and rows to do in all.

    Raises:
        InvalidInputError: files that cannot be read or do not fit each other, labels out of range, classes without
            samples, entries that are not finite; each with file and remedy.
        UndefinedError: all class means are equal.

    >>> import tempfile
    >>> features, labels = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [2.0, 0.0]]), np.array([0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/layer.npz", features=features, labels=labels)
    ...     measure_files([f"{folder}/layer.npz"]).metrics.nc1.quotient
    0.25
    """
    if not 0 <= rtol < 1:
        raise InvalidInputError(f"rtol: expected a number from 0 up to 1, but found {rtol}; the default is 1e-3")
    data = _Samples.of(paths, classes=classes, drop_empty=drop_empty)
    moments, logits = data.moments(progress)
    moments.centred_means(centre)  # no second pass where all class means are equal
    agreement, notes = data.agreement(moments, progress) if data.decided else (None, [])
    if data.weight is None:
        notes += ["classifier: no weight given; NC3, and NC2 of its rows, have no value"]
    if data.dropped:
        notes += [f"classes: no samples of {_listed(data.dropped)}, dropped; warnings number the others from 0"]
    metrics = collapse_metrics(
        moments,
        weight=data.weight,
        bias=data.bias,
        logits=logits if data.weight is None else None,
        agreement=agreement,
        centre=centre,
        rtol=rtol,
    )
    return FeatureMeasurement(metrics, data.kept, data.dropped, (*metrics.warnings, *notes))


@dataclass(frozen=True, slots=True)
class _Samples:
    """Files that fit each other: their samples, and the classifier without the rows of classes that were dropped."""

    files: list[dict[str, StoredArray]]
    labels: list[np.ndarray]
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    weight: np.ndarray | None
    bias: np.ndarray | None

    @classmethod
    def of(cls, paths: Sequence[str | PathLike[str]], *, classes: int | None, drop_empty: bool) -> "_Samples":
        if not paths or len({os.path.realpath(path) for path in paths}) < len(paths):
            found = ", ".join(map(str, paths)) or "none"
            raise InvalidInputError(f"files: expected at least one, and each once, but found {found}; name them anew")
        files = [stored_arrays(path) for path in paths]
        (width,) = _same([file["features"] for file in files], lambda array: array.shape[1:])
        weight, bias = (_same([f[name] for f in files if name in f], _small) for name in ("weight", "bias"))
        logits = [file["logits"] for file in files if "logits" in file]
        if len(logits) not in (0, len(files)):
            raise logits[0].refusal("logits in all files or in none", f"only {len(logits)} of {len(files)} have them")
        columns = _same(logits, lambda array: array.shape[1])
        sizes = {"--classes": classes, "rows of the weight": None if weight is None else len(weight)}
        sizes |= {"entries of the bias": None if bias is None else len(bias), "columns of the logits": columns}
        given = {name: size for name, size in sizes.items() if size is not None}
        if len(set(given.values())) > 1:
            found = ", ".join(f"{size} {name}" for name, size in given.items())
            raise InvalidInputError(f"classes: expected one number K, but found {found}; leave out or correct one")
        if bias is not None and weight is None:
            raise InvalidInputError("bias: expected a weight beside it, but found none; save the weight, too")
        if weight is not None and weight.shape[1] != width:
            raise InvalidInputError(
                f"weight: expected width {width} as features, but found {weight.shape}; transpose it"
            )
        labels = [file["labels"].whole() for file in files]
        kept, dropped = _present(dict(zip(map(str, paths), labels, strict=True)), next(iter(given.values()), None))
        if dropped and not drop_empty:
            raise InvalidInputError(
                f"classes: expected samples of all {len(kept + dropped)}, but found none of {_listed(dropped)}; add "
                "some, or drop these classes with --drop-empty (drop_empty=True)"
            )
        weight, bias = (None if array is None else array[list(kept)] for array in (weight, bias))
        return cls(files, labels, kept, dropped, weight, bias)

    @property
    def decided(self) -> bool:
        """Whether something says which class each sample is given."""
        return self.weight is not None or "logits" in self.files[0]

    def blocks(self, count: Callable[[int, int], None], *, second: bool) -> Iterator[tuple[Any, Any, np.ndarray]]:
        """Features, logits (or None) and labels, finite and a few rows at a time; counts rows."""
        total = sum(map(len, self.labels))
        done, numbers = total if second else 0, np.array(self.kept)
        for file, labels in zip(self.files, self.labels, strict=True):
            arrays = [file[name] for name in ("features", "logits") if name in file]
            rows = max(1, _BLOCK // max(array.shape[1] for array in arrays))
            starts = range(0, len(labels), rows)
            for start, *parts in zip(starts, *(array.blocks(rows) for array in arrays), strict=True):
                for array, part in zip(arrays, parts, strict=True):
                    if not second and not np.isfinite(as_numpy(part)).all():
                        raise _not_finite([f[array.name] for f in self.files])
                part = labels[start : start + rows]
                yield parts[0], parts[1][:, numbers] if parts[1:] else None, np.searchsorted(numbers, part)
                done += len(part)
                count(done, 2 * total if self.decided else total)

    def moments(self, count: Callable[[int, int], None]) -> tuple[ClassMoments, np.ndarray | None]:
        """Moments of the features, and class-mean logits, one column per class."""
        stream, means = MomentStream(len(self.kept)), MomentStream(len(self.kept), scatter=False)
        for features, logits, labels in self.blocks(count, second=False):
            stream.add(features, labels)
            if logits is not None:
                means.add(logits, labels)
        return stream.moments(), means.moments().means.T if "logits" in self.files[0] else None

    def agreement(self, moments: ClassMoments, count: Callable[[int, int], None]) -> tuple[float, list[str]]:
        """NC4, by the classifier or else the logits; warns where these two differ."""
        matches, gap, size = 0, 0.0, 0.0
        for features, logits, _ in self.blocks(count, second=True):
            features, logits = as_numpy(features), None if logits is None else as_numpy(logits).astype(np.float64)
            if self.weight is None:
                matches += _logit_matches(features, logits, moments.means)
                continue
            matches += nc4_matches(features, means=moments.means, weight=self.weight, bias=self.bias)
            if logits is not None:
                scores = features @ self.weight.T + (0.0 if self.bias is None else self.bias)
                gap, size = gap + float(np.square(scores - logits).sum()), size + float(np.square(logits).sum())
        note = (
            f"logits: expected W x + b of the weight and bias given, but found them {np.sqrt(gap):.3g} apart at norm "
            f"{np.sqrt(size):.3g}; the classifier is taken, the logits are not used"
        )
        return matches / moments.total, [note] if gap > _FAR**2 * size else []


def _logit_matches(features: np.ndarray, logits: Any, means: np.ndarray) -> int:
    """Samples whose largest logit is that of the nearest mean: the logits as features that only a classifier reads."""
    classes = len(means)
    return nc4_matches(
        np.concatenate([features, logits], axis=1),
        means=np.concatenate([means, np.zeros((classes, classes))], axis=1),
        weight=np.concatenate([np.zeros_like(means), np.eye(classes)], axis=1),
    )


def _not_finite(arrays: Sequence[StoredArray]) -> InvalidInputError:
    """Counts over all files."""
    found, first, remedy = 0, "", "remove those samples"
    for array in arrays:
        rows = max(1, _BLOCK // max(1, *array.shape[1:]))
        for index, part in enumerate(map(as_numpy, array.blocks(rows))):
            bad = np.argwhere(~np.isfinite(part))
            if bad.size and not first:
                where = (index * rows + int(bad[0][0]), *bad[0][1:].tolist())
                first = f"{part[tuple(bad[0])]} at {where} of {array.path}"
                if array.dtype == "float16" and np.isinf(part[tuple(bad[0])]):
                    remedy = "float16 overflows beyond 65504, save float32 or bfloat16"
            found += len(bad)
    what = f"{arrays[0].name}: expected finite entries"
    return InvalidInputError(f"{what}, but found {found} that are not, the first {first}; {remedy}")


def _present(labels: dict[str, np.ndarray], classes: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Classes with samples, and those without."""
    of_file = {path: np.unique(found).tolist() for path, found in labels.items()}
    seen = sorted(set().union(*of_file.values()))
    if not seen:
        raise InvalidInputError(f"features: expected samples, but found none in {', '.join(labels)}; add some")
    wanted = "numbers from 0" if classes is None else f"0 to {classes - 1}"
    classes = seen[-1] + 1 if classes is None else classes
    for path, found in of_file.items():
        if found and not 0 <= found[0] <= found[-1] < classes:
            raise InvalidInputError(
                f"labels: expected {wanted}, but found {found[0]} to {found[-1]} in {path}; relabel from 0, or correct "
                "the number of classes"
            )
    if len(seen) < 2:
        raise InvalidInputError(f"classes: expected samples of at least 2, but found only of {seen[0]}; add others")
    if classes > _CLASSES_MAX:
        raise InvalidInputError(f"classes: expected at most {_CLASSES_MAX}, but found {classes}; relabel from 0")
    return tuple(seen), tuple(sorted(set(range(classes)).difference(seen)))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def _same(arrays: Sequence[StoredArray], value: Callable[[StoredArray], Any]) -> Any:
    """What all arrays have in common; None where there is no array."""
    found = [value(array) for array in arrays]
    for array, other in zip(arrays, found, strict=True):
        if not np.array_equal(other, found[0]):
            raise array.refusal(f"the same as in {arrays[0].path}", "measure one layer of one checkpoint at a time")
    return found[0] if found else None


def _small(array: StoredArray) -> np.ndarray:
    if not np.isfinite(found := array.whole().astype(np.float64)).all():
        raise _not_finite([array])
    return found
