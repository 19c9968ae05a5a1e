"""Draw the picture of the README: class logits of neural collapse beside those of a cheaper solution.

python examples/logits_picture.py [file]
"""

import sys
from pathlib import Path

from deepcollapse.plot import logits_figure, style
from deepcollapse.ufm import Problem, structure

problem = Problem(classes=10, samples=5, layers=2, width=70, decay=2**-10)
shown = [structure(name, problem) for name in ("simplex", "paired")]
titles = [f"{one.name}: rank {one.rank}, loss {one.loss:.4f}" for one in shown]
target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images" / "logits.png"
with style():
    logits_figure(shown, titles).savefig(target, dpi=210, metadata={"Software": None})
