"""Real networks: data sets, backbones, deep heads, the training loop, and the verdict on what it ends at."""

from deepcollapse.networks.batches import Batches
from deepcollapse.networks.checkpoint import Checkpoints, load_best
from deepcollapse.networks.conv_net import conv_net
from deepcollapse.networks.csv_images import read_csv
from deepcollapse.networks.data_folder import DATA_SETS, data_folder
from deepcollapse.networks.decay import Decay, StandardDecay, UfmDecay
from deepcollapse.networks.descent import Descent
from deepcollapse.networks.digits import digits
from deepcollapse.networks.downloading import download
from deepcollapse.networks.execution import Execution
from deepcollapse.networks.head import DeepHead, deep_head
from deepcollapse.networks.health import Outcome
from deepcollapse.networks.images import LabelledImages, Split
from deepcollapse.networks.mlp import mlp
from deepcollapse.networks.mnist_sample import mnist_sample
from deepcollapse.networks.network import Network
from deepcollapse.networks.npz import read_npz
from deepcollapse.networks.objective import objective
from deepcollapse.networks.polishing import Polished, polish
from deepcollapse.networks.resnet import resnet20
from deepcollapse.networks.schedule import Constant, Cosine, Steps, WarmUp
from deepcollapse.networks.subsets import class_split, long_tail, normalised
from deepcollapse.networks.train import Training, train
from deepcollapse.networks.trajectory import Trajectory
from deepcollapse.networks.verdict import HeadKind, HeadVerdict, Ranks, head_verdict, measure_head

__all__ = [
    "DATA_SETS",
    "Batches",
    "Checkpoints",
    "Constant",
    "Cosine",
    "Decay",
    "DeepHead",
    "Descent",
    "Execution",
    "HeadKind",
    "HeadVerdict",
    "LabelledImages",
    "Network",
    "Outcome",
    "Polished",
    "Ranks",
    "Split",
    "StandardDecay",
    "Steps",
    "Training",
    "Trajectory",
    "UfmDecay",
    "WarmUp",
    "class_split",
    "conv_net",
    "data_folder",
    "deep_head",
    "digits",
    "download",
    "head_verdict",
    "load_best",
    "long_tail",
    "measure_head",
    "mlp",
    "mnist_sample",
    "normalised",
    "objective",
    "polish",
    "read_csv",
    "read_npz",
    "resnet20",
    "train",
]
