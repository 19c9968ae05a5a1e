"""Sweeps: a plan of runs, done by any number of workers over a store."""

from deepcollapse.sweep.dask import DaskLauncher
from deepcollapse.sweep.ends import Ends, ends
from deepcollapse.sweep.launcher import Job, Launcher, Progress, WorkersLostError, launch
from deepcollapse.sweep.plan import Part, Plan, plan
from deepcollapse.sweep.pool import PoolLauncher
from deepcollapse.sweep.serial import SerialLauncher
from deepcollapse.sweep.slurm import SlurmLauncher
from deepcollapse.sweep.worker import WorkerDiedError, WorkReport, work

__all__ = [
    "DaskLauncher",
    "Ends",
    "Job",
    "Launcher",
    "Part",
    "Plan",
    "PoolLauncher",
    "Progress",
    "SerialLauncher",
    "SlurmLauncher",
    "WorkReport",
    "WorkerDiedError",
    "WorkersLostError",
    "ends",
    "launch",
    "plan",
    "work",
]
