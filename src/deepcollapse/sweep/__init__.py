"""Sweeps: a plan of runs, done by any number of workers over a store."""

from deepcollapse.sweep.dask import DaskLauncher
from deepcollapse.sweep.launcher import Job, Launcher, WorkersLostError, launch
from deepcollapse.sweep.plan import Part, Plan, plan
from deepcollapse.sweep.pool import PoolLauncher
from deepcollapse.sweep.serial import SerialLauncher
from deepcollapse.sweep.slurm import SlurmLauncher
from deepcollapse.sweep.worker import WorkerDiedError, WorkReport, work

__all__ = [
    "DaskLauncher",
    "Job",
    "Launcher",
    "Part",
    "Plan",
    "PoolLauncher",
    "SerialLauncher",
    "SlurmLauncher",
    "WorkReport",
    "WorkerDiedError",
    "WorkersLostError",
    "launch",
    "plan",
    "work",
]
