"""Advice about ensembles works when it is followed."""

from deepcollapse.simulate import (
    Initialisation,
    TorchEngine,
    descent,
    engine_choice,
    gaussian_starts,
    optimiser_named,
    rate,
    simulate,
    stable_lr,
)
from deepcollapse.ufm import Problem
from remedies.refusal import Refusal, cases

MODEL = Problem(classes=3, layers=1, decay=0.05)
ADAM = optimiser_named("adam")


def run(**changes):
    return lambda: simulate(MODEL, **({"seeds": 2, "lr": 1.0, "steps_max": 5, "engine": "torch"} | changes))


def started(kind, *rest, activation="linear"):
    problem = MODEL.replace(activation=activation)
    return lambda: list(Initialisation(kind, *rest).starts(problem, range(1)))


REFUSALS = [
    Refusal("seeds: expected at least one", "a number >= 1", run(seeds=0), run(seeds=1)),
    Refusal("seeds: expected at least one", "or a list of seeds", run(seeds=[]), run(seeds=[3])),
    Refusal("seeds: expected each seed once", "no independent run", run(seeds=[1, 1]), run(seeds=[1])),
    Refusal("seeds: expected whole numbers >= 0", "count from 0", run(seeds=[-1]), run(seeds=[0])),
    Refusal("seeds: expected at most", "run fewer", run(seeds=10**8), run(seeds=3)),
    Refusal("tolerance: expected at most decay / 100", "lower it", run(tolerance=0.1), run(tolerance=5e-4)),
    Refusal("steps_max: expected a whole number >= 1", "leave it out", run(steps_max=0), run(steps_max=None)),
    Refusal("steps_max: expected lr * decay", "raise lr", lambda: descent(MODEL, 1e-30), lambda: descent(MODEL, 0.1)),
    Refusal("steps_max: expected lr * decay", "give a horizon", lambda: descent(MODEL, 1e-30), run(lr=1e-30)),
    Refusal("engine: expected", '"auto" picks one', run(engine="gpu"), run(engine="auto")),
    Refusal(
        'engine: expected "torch"',
        "no other device",
        lambda: engine_choice(MODEL, "cpu", seeds=1, device="cuda"),
        lambda: engine_choice(MODEL, "cpu", seeds=1),
    ),
    Refusal("optimiser: expected plain", 'use engine="torch"', run(engine="cpu", optimiser=ADAM), run(optimiser=ADAM)),
    Refusal(
        "optimiser: expected gd, momentum",
        "choose one of these",
        lambda: optimiser_named("sgd"),
        lambda: optimiser_named("gd"),
    ),
    Refusal(
        "beta: expected none for gd",
        "it belongs to momentum",
        lambda: optimiser_named("gd", beta=0.5),
        lambda: optimiser_named("momentum", beta=0.5),
    ),
    Refusal("chunk: expected a whole number >= 1", "leave it out", lambda: TorchEngine(chunk=0), TorchEngine),
    Refusal(
        "device: expected a device",
        'use "cpu"',
        lambda: TorchEngine(device="nowhere"),
        lambda: TorchEngine(device="cpu"),
    ),
    Refusal("init: expected gaussian", "choose one of these", started("normal"), started("pytorch")),
    Refusal(
        "init_scale: expected 1", "set init_distance", started("near-dnc", 2.0, 0.1), started("near-dnc", 1.0, 0.2)
    ),
    Refusal("init_distance: expected none", "only near-", started("gaussian", 1.0, 0.1), started("near-dnc", 1.0, 0.1)),
    Refusal("count: expected counts of at most 3", "count each run once", lambda: rate(4, 3), lambda: rate(3, 3)),
    Refusal(
        "confidence: expected a number",
        "0.95 is usual",
        lambda: rate(1, 3, confidence=1.0),
        lambda: rate(1, 3, confidence=0.95),
    ),
    Refusal(
        "optimiser: expected one whose steps",
        "give lr, 0.01",
        lambda: stable_lr(MODEL, gaussian_starts(MODEL, range(1)), optimiser=ADAM),
        run(optimiser=ADAM, lr=0.01),
    ),
]


@cases(REFUSALS)
def test_ensembles(refusal: Refusal):
    refusal.check()
