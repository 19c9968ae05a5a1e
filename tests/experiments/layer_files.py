"""Features, labels and a classifier, and how they are written to files."""

import numpy as np
from safetensors.numpy import save_file

KINDS = ("npz", "safetensors", "folder")


def written(folder, kind, name="layer", **arrays):
    """The arrays as one file, or folder, of this kind."""
    path = folder / (name if kind == "folder" else f"{name}.{kind}")
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "safetensors":
        save_file({key: np.array(array, order="C") for key, array in arrays.items()}, path)
    else:
        path.mkdir()
        for key, array in arrays.items():
            np.save(path / key, array)
    return path


def samples(seed=0, *, classes=4, width=6, spread=0.5, dtype=np.float64):
    """Unequal classes, and a classifier that is near the class means but not equal to them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), rng.integers(3, 15, classes))
    rng.shuffle(labels)
    means = rng.standard_normal((classes, width))
    features = (means[labels] + spread * rng.standard_normal((labels.size, width))).astype(dtype)
    weight = means + 0.3 * rng.standard_normal(means.shape)
    return {"features": features, "labels": labels, "weight": weight, "bias": rng.standard_normal(classes)}
