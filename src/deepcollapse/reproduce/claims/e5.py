"""E5: networks with a deep linear head on CIFAR-10 end below the DNC bound, at low rank."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.network_bound import below_bound_judgement
from deepcollapse.reproduce.claims.network_settings import UFM

__all__ = ["E5"]

_PARTS = ("E5-cifar10-resnet",)
_VALUES = 3

E5 = Claim(
    id="E5",
    title="A network on CIFAR-10 ends below the DNC bound",
    setting="CIFAR-10, 5,000 per class, ResNet-20, linear head L = 3, d = 64, decays 5e-3 (weights) and 1e-6 "
    "(features), learning rate 0.05",
    paper="The loss ends below the DNC bound, and the class-mean logits have 3 singular values above 1e-6.",
    needs=_PARTS,
    judge=lambda found: below_bound_judgement(found, _PARTS, papers=UFM, values=_VALUES),
)
