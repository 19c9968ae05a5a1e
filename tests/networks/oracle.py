"""A network whose features are its parameters: the unconstrained feature model itself, as a torch module."""

import numpy as np
import torch
from torch import nn

from deepcollapse.networks import DeepHead, LabelledImages, Network
from deepcollapse.ufm import Factors, Problem


class FreeFeatures(nn.Module):
    """Ignores the images and returns its own features, one row per sample."""

    def __init__(self, features: np.ndarray) -> None:
        super().__init__()
        self.features = nn.Parameter(torch.tensor(features.T.copy()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert len(images) == len(self.features)
        return self.features


def free_network(factors: Factors, problem: Problem) -> Network:
    weights = tuple(torch.tensor(weight) for weight in factors[1:])
    return Network(FreeFeatures(factors[0]), DeepHead(weights, activation=problem.activation))


def blank_images(problem: Problem) -> LabelledImages:
    return LabelledImages(np.zeros((problem.total_samples, 1)), problem.labels, problem.classes)
