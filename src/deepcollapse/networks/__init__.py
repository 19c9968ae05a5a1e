"""Real networks: data sets, backbones, deep heads, the training loop, and the verdict on what it ends at."""

from deepcollapse.networks.depth import LayerCollapse, collapse_through_depth
from deepcollapse.networks.digits import digits
from deepcollapse.networks.head import DeepHead, deep_head
from deepcollapse.networks.images import LabelledImages, Split, balanced_split
from deepcollapse.networks.mlp import mlp
from deepcollapse.networks.network import Network
from deepcollapse.networks.objective import UfmDecay, objective
from deepcollapse.networks.train import Descent, Training, train
from deepcollapse.networks.trajectory import Trajectory
from deepcollapse.networks.verdict import HeadVerdict, Ranks, head_verdict

__all__ = [
    "DeepHead",
    "Descent",
    "HeadVerdict",
    "LabelledImages",
    "LayerCollapse",
    "Network",
    "Ranks",
    "Split",
    "Training",
    "Trajectory",
    "UfmDecay",
    "balanced_split",
    "collapse_through_depth",
    "deep_head",
    "digits",
    "head_verdict",
    "mlp",
    "objective",
    "train",
]
