"""Ensembles of deep UFMs under gradient descent: engines, stopping rule, endpoint classifier, rates."""

from deepcollapse.simulate.audit import Audit, Comparison, audit
from deepcollapse.simulate.balance_acceleration import BalanceAcceleration
from deepcollapse.simulate.classify import Verdict, classify, dnc_distance
from deepcollapse.simulate.cpu_engine import CpuEngine
from deepcollapse.simulate.engine import (
    DECIDED,
    STATUSES,
    Descent,
    Endpoint,
    Engine,
    Progress,
    Status,
    descent,
    expected_steps,
)
from deepcollapse.simulate.engine_choice import EngineChoice, engine_choice
from deepcollapse.simulate.engine_plan import planned_engine
from deepcollapse.simulate.ensemble import Ensemble, Run
from deepcollapse.simulate.initialise import Initialisation, gaussian, gaussian_starts
from deepcollapse.simulate.nearest import Nearest
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum, Optimiser, optimiser_named
from deepcollapse.simulate.orthogonal_reduction import OrthogonalReduction
from deepcollapse.simulate.rate import Rate, rate
from deepcollapse.simulate.simulation import Ledger, simulate
from deepcollapse.simulate.stability import Stability, endpoint_stability, stabilities
from deepcollapse.simulate.step_size import StableRate, stable_lr
from deepcollapse.simulate.torch_engine import TorchEngine
from deepcollapse.simulate.trajectory import Snapshot, Trajectory, trajectories

__all__ = [
    "DECIDED",
    "STATUSES",
    "Adam",
    "Audit",
    "BalanceAcceleration",
    "Comparison",
    "CpuEngine",
    "Descent",
    "Endpoint",
    "Engine",
    "EngineChoice",
    "Ensemble",
    "GradientDescent",
    "Initialisation",
    "Ledger",
    "Momentum",
    "Nearest",
    "Optimiser",
    "OrthogonalReduction",
    "Progress",
    "Rate",
    "Run",
    "Snapshot",
    "Stability",
    "StableRate",
    "Status",
    "TorchEngine",
    "Trajectory",
    "Verdict",
    "audit",
    "classify",
    "descent",
    "dnc_distance",
    "endpoint_stability",
    "engine_choice",
    "expected_steps",
    "gaussian",
    "gaussian_starts",
    "optimiser_named",
    "planned_engine",
    "rate",
    "simulate",
    "stabilities",
    "stable_lr",
    "trajectories",
]
