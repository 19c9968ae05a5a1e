"""Runs to put in stores, and slow plain definitions of what a store answers."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deepcollapse.store import Outcome, Store, run_id

LEASE = 600.0


def spec(number: int, kind: str = "theory") -> dict:
    return {"kind": kind, "classes": 3, "number": number}


def outcome(number: int, kind: str = "theory") -> Outcome:
    """One row per unit of the number, in a column that all kinds have and one that only this kind has."""
    rows = pa.table(
        {
            "kind": pa.array([kind] * number, pa.string()),
            "number": pa.array([number] * number, pa.int64()),
            "loss": pa.array([number + 0.25 * k for k in range(number)], pa.float64()),
            f"of_{kind}": pa.array([[float(k)] * k for k in range(number)], pa.list_(pa.float64())),
        }
    )
    arrays = {"logits": np.full((2, 2), float(number))}
    return Outcome(spec(number, kind), rows, arrays, {"loss": number}, {"seconds": float(number)})


def put(store: Store, number: int, kind: str = "theory") -> str:
    """Do a run."""
    id = run_id(spec(number, kind))
    claim = store.claim(id, "tester", LEASE)
    assert claim is not None
    store.commit(claim, outcome(number, kind))
    return id


def rewrite(file: Path, text: str) -> None:
    """Give a file of a run another content, and its digest too."""
    file.write_text(text)
    digests = json.loads((file.parent / "digests.json").read_text())
    digests[file.name] = hashlib.sha256(text.encode()).hexdigest()
    (file.parent / "digests.json").write_text(json.dumps(digests))


def rows_of_all(store: Store, ids: set[str] | None = None) -> list[dict]:
    """What ``Store.table`` should hold: runs by id, their rows in order, null where a column is missing."""
    found, columns = [], ["run"]
    for folder in sorted((store.path / "runs").iterdir()):
        if ids is None or folder.name in ids:
            rows = pq.read_table(folder / "rows.parquet", partitioning=None)
            columns += [name for name in rows.column_names if name not in columns]
            found += rows.to_pylist()
    return [{name: row.get(name) for name in columns} for row in found]


def python(code: str, *arguments: object, kill: bool = False) -> subprocess.CompletedProcess[str]:
    """Run code in another process, which ends as it should: by itself, or killed by its own hand."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == (-9 if kill else 0), done.stderr
    return done


def tree(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
