"""Real networks: data sets, backbones, deep heads, the training loop, and the verdict on what it ends at."""

from deepcollapse.networks.conv_net import conv_net
from deepcollapse.networks.data_folder import DATA_SETS, data_folder
from deepcollapse.networks.digits import digits
from deepcollapse.networks.head import DeepHead, deep_head
from deepcollapse.networks.images import LabelledImages, Split, balanced_split
from deepcollapse.networks.mlp import mlp
from deepcollapse.networks.network import Network
from deepcollapse.networks.npz import read_npz
from deepcollapse.networks.objective import UfmDecay, objective
from deepcollapse.networks.resnet import resnet20
from deepcollapse.networks.subsets import long_tail, normalised
from deepcollapse.networks.train import Descent, Training, train
from deepcollapse.networks.trajectory import Trajectory
from deepcollapse.networks.verdict import HeadKind, HeadVerdict, Ranks, head_verdict, measure_head

__all__ = [
    "DATA_SETS",
    "DeepHead",
    "Descent",
    "HeadKind",
    "HeadVerdict",
    "LabelledImages",
    "Network",
    "Ranks",
    "Split",
    "Training",
    "Trajectory",
    "UfmDecay",
    "balanced_split",
    "conv_net",
    "data_folder",
    "deep_head",
    "digits",
    "head_verdict",
    "long_tail",
    "measure_head",
    "mlp",
    "normalised",
    "objective",
    "read_npz",
    "resnet20",
    "train",
]
