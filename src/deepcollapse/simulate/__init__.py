"""Ensembles of deep UFMs under gradient descent: engines, stopping rule, endpoint classifier, rates."""

from deepcollapse.simulate.classify import Verdict, classify
from deepcollapse.simulate.cpu_engine import CpuEngine
from deepcollapse.simulate.engine import Descent, Endpoint, Engine, Progress, descent
from deepcollapse.simulate.engine_choice import EngineChoice, engine_choice
from deepcollapse.simulate.ensemble import Ensemble, Run, simulate
from deepcollapse.simulate.initialise import gaussian, gaussian_starts
from deepcollapse.simulate.rate import Rate, rate
from deepcollapse.simulate.torch_engine import TorchEngine

__all__ = [
    "CpuEngine",
    "Descent",
    "Endpoint",
    "Engine",
    "EngineChoice",
    "Ensemble",
    "Progress",
    "Rate",
    "Run",
    "TorchEngine",
    "Verdict",
    "classify",
    "descent",
    "engine_choice",
    "gaussian",
    "gaussian_starts",
    "rate",
    "simulate",
]
