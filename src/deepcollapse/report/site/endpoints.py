"""Where gradient descent ended, counted: runs of one specification that ended at one point are one entry."""

from typing import Any

import numpy as np
import pyarrow as pa

from deepcollapse.report.site.columns import encoded, significant
from deepcollapse.report.site.contents import KindOfRun, cells
from deepcollapse.simulate import DECIDED

__all__ = ["endpoints"]

_DIGITS = 7  # of the loss: seeds at one point differ in the eighth or later
_BY = ("run", "status", "structure", "rank", "loss")


def endpoints(simulated: KindOfRun) -> dict[str, dict[str, Any]]:
    """Columns "run" (position among the kind's runs), "status", "structure", "rank", "loss" and "seeds" (how many).

    Undecided seeds have a status and a loss, but no structure and no rank.
    """
    place = {id: index for index, id in enumerate(simulated.ids)}
    table = _ends(simulated.rows).group_by(list(_BY), use_threads=False).aggregate([([], "count_all")])
    found = table.to_pydict()
    found["run"] = [place[id] for id in found["run"]]
    return {name: encoded(found[name]) for name in _BY} | {"seeds": encoded(found["count_all"])}


def _ends(rows: pa.Table) -> pa.Table:
    moving = ~np.isin(np.array(cells(rows, "status"), dtype=str), DECIDED)
    losses = significant(np.array(cells(rows, "loss"), dtype=float), _DIGITS)
    return pa.table(
        {
            "run": rows["run"],
            "status": rows["status"],
            "structure": pa.array(np.array(cells(rows, "structure"), dtype=object), pa.string(), mask=moving),
            "rank": pa.array(np.array(cells(rows, "rank"), dtype=object), pa.int64(), mask=moving),
            "loss": pa.array(losses, mask=~np.isfinite(losses)),
        }
    )
