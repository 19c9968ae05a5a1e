"""E4: networks with a deep linear head on MNIST end below the DNC bound, at low rank."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.network_bound import below_bound_judgement
from deepcollapse.reproduce.claims.network_settings import UFM

__all__ = ["E4"]

_PARTS = ("E4-mnist-resnet", "E4-mnist-mlp")
_VALUES = 4

E4 = Claim(
    id="E4",
    title="A network on MNIST ends below the DNC bound",
    setting="MNIST, 5,000 per class, ResNet-20, linear head L = 3, d = 64, decays 5e-3 (weights) and 1e-6 (features), "
    "learning rate 0.05",
    paper="The loss ends below the DNC bound, and the class-mean logits have 4 singular values above 1e-6.",
    also=_PARTS,
    judge=lambda found: below_bound_judgement(found, _PARTS, papers=UFM, values=_VALUES),
)
