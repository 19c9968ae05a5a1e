"""Advice about models, structures, spectra, searches and theorems works when it is followed."""

import numpy as np

from deepcollapse.curvature import (
    balanced_spectrum,
    collapse_spectrum,
    dense_hessian,
    extreme_eigenvalues,
    group_stability,
    hessian_vector_product,
    solution_dimension,
    structure_spectrum,
)
from deepcollapse.landscape import search
from deepcollapse.theory import crossing_depth, minimisers_by_depth, overview, refutation, step_samples
from deepcollapse.ufm import Problem, balanced_factors, given, regularised_loss, structure, structures
from remedies.refusal import Refusal, cases

MODEL = Problem(classes=6, layers=2)
WIDE = Problem(classes=10, layers=3, width=300, decay=2.0**-12)
GENERATOR = np.random.default_rng(0)
ZEROS = np.zeros((6, 6))
NAN = np.full((6, 6), np.nan)


def model(**changes):
    return lambda: MODEL.replace(**changes)


def at(name, **changes):
    return lambda: structure(name, MODEL.replace(**changes))


def logits(name="paired", problem=MODEL):
    return structure(name, problem).logits


def factors(problem=MODEL):
    return balanced_factors(structure("paired", problem).logits, problem)


PROBLEMS = [
    Refusal("classes: expected a whole number >= 2", "needs two classes", model(classes=1), model(classes=2)),
    Refusal("classes: expected at most", "lower it", model(classes=10**8), model(classes=10**7)),
    Refusal("layers: expected a whole number >= 1", "count the weight", model(layers=0), model(layers=1)),
    Refusal("layers: expected at most", "lower it", model(layers=10**7), model(layers=10**6)),
    Refusal(
        "width: expected a whole number >= 1", "leave it out", model(width=0), lambda: Problem(classes=6, layers=2)
    ),
    Refusal("samples: expected a whole number >= 1", "or one for all", model(samples=0), model(samples=1)),
    Refusal(
        "samples: expected a whole number >= 1", "drop", model(samples=(2,) * 5 + (0,)), model(classes=5, samples=2)
    ),
    Refusal("samples: expected 6 numbers", "or give one for all", model(samples=(2, 2)), model(samples=2)),
    Refusal("decay: expected 3 numbers", "or give one for all", model(decay=(0.1, 0.1)), model(decay=0.1)),
    Refusal("decay: expected a finite number > 0", "without decay", model(decay=0.0), model(decay=1e-9)),
    Refusal("decay: expected a number from 1e-290", "float64", model(decay=1e-300), model(decay=1e-290)),
]
STRUCTURES = [
    Refusal("structure: expected dnc, simplex", "choose one of these", at("none"), at("orthogonal-frame", loss="mse")),
    Refusal("structure: expected K = m", "choose such a K", at("T5"), at("T5", classes=10)),
    Refusal("structure: expected K = m", "another structure", at("T5"), at("paired")),
    Refusal("partition: expected sizes", "adjust", at("partition-2-2"), at("partition-2-2-2")),
    Refusal("circle: scale: expected a decay below", "lower the decay", at("circle", decay=1.0), at("circle")),
    Refusal("simplex: scale: expected a decay below", "lower the decay", at("simplex", decay=1.0), at("simplex")),
    Refusal(
        "width: expected at least the rank 5",
        "widen",
        lambda: balanced_factors(logits("simplex"), MODEL.replace(width=4)),
        lambda: balanced_factors(logits("simplex"), MODEL.replace(width=5)),
    ),
    Refusal(
        "classes: expected at most 4000",
        "by its name",
        lambda: structures(Problem(classes=4001, layers=2, decay=1e-9)),
        lambda: structure("paired-trial", Problem(classes=4001, layers=2, decay=1e-9)),
    ),
    Refusal("logits: expected a non-zero pattern", "use the zero structure", lambda: given(ZEROS, MODEL), at("zero")),
    Refusal(
        "logits: expected finite entries",
        "remove NaN",
        lambda: given(NAN, MODEL),
        lambda: given(np.nan_to_num(NAN, nan=1.0) * np.eye(6), MODEL),
    ),
]
SPECTRA = [
    Refusal(
        'activation: expected "linear" for a balanced point',
        "extreme_eigenvalues",
        lambda: balanced_spectrum(logits(), MODEL.replace(activation="relu")),
        lambda: extreme_eigenvalues(factors(), MODEL.replace(activation="relu"), rotations=False, generator=GENERATOR),
    ),
    Refusal(
        "logits: expected a critical point",
        "take a structure that is critical",
        lambda: balanced_spectrum(2.0 * logits(), MODEL),
        lambda: balanced_spectrum(logits(), MODEL),
    ),
    Refusal(
        "structure: expected a critical point",
        "take the minimum that `landscape` finds",
        lambda: structure_spectrum(structure("paired-trial", MODEL.replace(classes=7)), MODEL.replace(classes=7)),
        lambda: balanced_spectrum(
            search(MODEL.replace(classes=7), restarts=1, ranks=(4,)).minimum.logits, MODEL.replace(classes=7)
        ),
    ),
    Refusal(
        "scale: expected a critical one",
        "leave it out",
        lambda: collapse_spectrum(MODEL, scale=1.0),
        lambda: collapse_spectrum(MODEL),
    ),
    Refusal(
        "rank: expected 0 to min(classes, width)",
        "lower the rank",
        lambda: solution_dimension(7, MODEL),
        lambda: solution_dimension(6, MODEL),
    ),
    Refusal(
        "rank: expected 0 to min(classes, width)",
        "widen the model",
        lambda: solution_dimension(5, MODEL.replace(width=4)),
        lambda: solution_dimension(5, MODEL.replace(width=5)),
    ),
    Refusal(
        "size: expected a group of 4 to 6",
        "balanced_spectrum",
        lambda: group_stability(2, MODEL),
        lambda: balanced_spectrum(logits("partition-2-2-2"), MODEL),
    ),
    Refusal(
        "dense Hessian: expected at most",
        "extreme_eigenvalues",
        lambda: dense_hessian(factors(WIDE), WIDE),
        lambda: extreme_eigenvalues(factors(WIDE.replace(width=40)), WIDE.replace(width=40), generator=GENERATOR),
    ),
    Refusal(
        "direction: expected the shapes",
        "one array per factor",
        lambda: hessian_vector_product(factors(), factors()[:2], MODEL),
        lambda: hessian_vector_product(factors(), factors(), MODEL),
    ),
    Refusal(
        "count: expected 1 to parameters - 1",
        "ask for another",
        lambda: extreme_eigenvalues(factors(), MODEL, count=0, generator=GENERATOR),
        lambda: extreme_eigenvalues(factors(), MODEL, count=1, generator=GENERATOR),
    ),
    Refusal(
        "multiplicities: expected fewer than 2^63",
        "lower the width",
        lambda: structure_spectrum(structure("paired", MODEL.replace(width=10**10)), MODEL.replace(width=10**10)),
        lambda: structure_spectrum(structure("paired", MODEL.replace(width=10**6)), MODEL.replace(width=10**6)),
    ),
    Refusal(
        "factors: expected shapes",
        "check width",
        lambda: regularised_loss(factors(), MODEL.replace(width=7)),
        lambda: regularised_loss(factors(), MODEL),
    ),
]
SEARCHES = [
    Refusal(
        'activation: expected "linear"',
        'search the linear model (activation="linear")',
        lambda: search(MODEL.replace(activation="relu"), restarts=1),
        lambda: search(MODEL.replace(activation="linear"), restarts=1),
    ),
    Refusal(
        "restarts: expected at least 1",
        "ask for 20",
        lambda: search(MODEL, restarts=0),
        lambda: search(Problem(classes=3, layers=1), restarts=20),
    ),
    Refusal(
        "restarts: expected at most",
        "ask for fewer",
        lambda: search(MODEL, restarts=10**7),
        lambda: search(MODEL, restarts=1, ranks=(3,)),
    ),
    Refusal(
        "ranks: expected numbers from 1 to 5",
        "choose among these",
        lambda: search(MODEL, restarts=1, ranks=(6,)),
        lambda: search(MODEL, restarts=1, ranks=(5,)),
    ),
    Refusal(
        "decay: expected at least",
        "raise it",
        lambda: search(MODEL.replace(decay=1e-280), restarts=1),
        lambda: search(MODEL.replace(decay=1e-5), restarts=1, ranks=(3,)),
    ),
    Refusal(
        "classes: expected at most 256",
        "compare the named",
        lambda: search(MODEL.replace(classes=300), restarts=1),
        lambda: structure("paired", MODEL.replace(classes=300, decay=1e-6)),
    ),
]
THEOREMS = [
    Refusal(
        "depths: expected increasing",
        "sort them",
        lambda: minimisers_by_depth(MODEL, depths=(3, 2)),
        lambda: minimisers_by_depth(MODEL, depths=(2, 3)),
    ),
    Refusal(
        "share: expected a number in [0, 1]",
        "give the minority's share",
        lambda: step_samples(4, 2, ratio=2.0, share=2.0),
        lambda: step_samples(4, 2, ratio=2.0, share=0.5),
    ),
    Refusal(
        "ratio: expected a number >= 1",
        "adjust it",
        lambda: step_samples(4, 2, ratio=1.3, share=0.5),
        lambda: step_samples(4, 2, ratio=1.5, share=0.5),
    ),
    Refusal(
        "competitor: expected logits of rank",
        "leave it out",
        lambda: refutation(MODEL, competitor=structure("simplex", MODEL)),
        lambda: refutation(MODEL),
    ),
    Refusal(
        "layers_max: expected at least 1",
        "ask for 32",
        lambda: crossing_depth("paired", "simplex", MODEL, layers_max=0),
        lambda: crossing_depth("paired", "simplex", MODEL, layers_max=32),
    ),
    Refusal(
        "low: expected a rank below",
        "swap the two",
        lambda: crossing_depth("simplex", "paired", MODEL),
        lambda: crossing_depth("paired", "simplex", MODEL),
    ),
]


@cases([*PROBLEMS, *STRUCTURES])
def test_models_and_structures(refusal: Refusal):
    refusal.check()


@cases([*SPECTRA, *SEARCHES, *THEOREMS])
def test_what_is_computed_of_them(refusal: Refusal):
    refusal.check()


def test_a_theory_of_many_classes_is_that_of_one_structure():
    many = Problem(classes=4001, layers=2, decay=1e-9)
    Refusal(
        "classes: expected at most 4000", "by its name", lambda: overview(many), lambda: structure("dnc", many)
    ).check()
