"""The Hessian spectrum at a named structure, by the cheapest exact way there is."""

from deepcollapse.curvature.balanced import balanced_spectrum
from deepcollapse.curvature.collapse_spectrum import collapse_spectrum
from deepcollapse.curvature.spectrum import Spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, Structure

__all__ = ["structure_spectrum"]


def structure_spectrum(structure: Structure, problem: Problem) -> Spectrum:
    """All Hessian eigenvalues at a structure of a linear model: closed form for the simplex, dense at width r else.

    Args:
        structure: solved for this problem.
        problem: the model.

    Raises:
        InvalidInputError: a trial point, whose Hessian decides nothing; a ReLU model; a rank above the width.
        TooLargeError: the width-r problem is too large to diagonalise.

    >>> from deepcollapse.ufm import structure
    >>> problem = Problem(classes=1000, layers=3, width=4096)
    >>> structure_spectrum(structure("dnc", problem), problem).verdict
    'strict saddle'
    """
    if not structure.critical:
        raise InvalidInputError(
            f"structure: expected a critical point, but found the trial point {structure.name!r}; take the "
            "minimum that `landscape` finds, with `--logits`"
        )
    closed_form = problem.loss == "ce" and problem.balanced and len(set(problem.factor_decays)) == 1
    if structure.name == "simplex" and closed_form and problem.activation == "linear":
        return collapse_spectrum(problem.replace(decay=problem.factor_decays[0]))
    return balanced_spectrum(structure.logits, problem)
