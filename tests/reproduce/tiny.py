"""A reproduction that takes seconds: the parts of some claims on a few runs, and a part that fails."""

from pathlib import Path

__all__ = ["replace_plans", "tiny_plans"]

PLAN = """
name = "reproduction quick"

[[parts]]
name = "T2"
kind = "theory"
[parts.run]
layers = 2
[parts.grid]
classes = [4, 5]

[[parts]]
name = "T4"
kind = "theory"
[parts.run]
layers = 2
[parts.grid]
classes = [2, 3, 4]
decay = [0.2, 0.001]

[[parts]]
name = "E1"
kind = "simulate"
[parts.run]
classes = 4
layers = 2
lr = 1.0
decay = 0.01
engine = "torch"
steps_max = 4000
[parts.grid]
init_scale = [1.0, 2.0]
[parts.seeds]
count = 4
block = 2

[[parts]]
name = "E5-cifar10-resnet"
kind = "train"
[parts.run]
spec = "cifar10-resnet-small"
"data.path" = "nowhere"
"""


def tiny_plans(folder: Path) -> Path:
    """A folder of plans that all are this one."""
    folder.mkdir()
    for size in ("quick", "small", "full"):
        (folder / f"{size}.toml").write_text(PLAN)
    return folder


def replace_plans(folder: Path) -> None:
    """For processes of their own, where a test can patch nothing."""
    from deepcollapse.reproduce import plan_files

    plan_files.FOLDER = folder
