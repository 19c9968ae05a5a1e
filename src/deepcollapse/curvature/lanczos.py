"""The lower end of the spectrum of a symmetric map, eigenvalues of high multiplicity included."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from deepcollapse.errors import ConvergenceError

__all__ = ["EigenPairs", "Lanczos"]

Map = Callable[[Float[np.ndarray, " p"]], Float[np.ndarray, " p"]]


@dataclass(frozen=True, slots=True)
class EigenPairs:
    """Eigenvalues, ascending unless said otherwise, with orthonormal eigenvectors in columns."""

    values: Float[np.ndarray, " c"]
    vectors: Float[np.ndarray, "p c"]

    def where(self, chosen: np.ndarray | slice) -> "EigenPairs":
        """The chosen pairs: a mask, a slice, or indices in the order wanted."""
        return EigenPairs(self.values[chosen], self.vectors[:, chosen])

    def merged(self, other: "EigenPairs") -> "EigenPairs":
        """These pairs and the others, ascending."""
        values = np.concatenate([self.values, other.values])
        vectors = np.concatenate([self.vectors, other.vectors], axis=1)
        return EigenPairs(values, vectors).where(np.argsort(values, kind="stable"))


@dataclass(frozen=True, slots=True)
class Lanczos:
    """ARPACK's implicitly restarted Lanczos for a symmetric map, repeated until no copy of an eigenvalue is missing.

    Attributes:
        product: the map on vectors.
        size: length of the vectors.
        count: eigenvalues per run, below the size.
        generator: draws starting vectors.
        tol: accuracy of eigenvalues relative to the spectral radius.
        max_iterations: restarts per run.
    """

    product: Map
    size: int
    count: int
    generator: np.random.Generator
    tol: float
    max_iterations: int

    def radius(self) -> float:
        """The largest absolute eigenvalue."""
        return float(np.abs(self._run(self.product, which="LM", count=1).values[0]))

    def negated(self) -> "Lanczos":
        """The same for minus the map, whose lower end is the upper end of this one."""
        return replace(self, product=lambda vector: -self.product(vector))

    def lowest(self, known: EigenPairs, *, radius: float, zero: float, cap: int) -> tuple[EigenPairs, bool]:
        """All eigenpairs up to ``zero``, the next one, and at least the ``count`` lowest; and whether none is missing.

        A Krylov space holds one vector of each eigenspace, so one run may miss copies. What was found is moved to the
        top of the spectrum and the search repeated, until a run finds nothing that belongs to the list: a random start
        meets every eigenspace that is left.

        Args:
            known: eigenpairs that need not be searched.
            radius: bound on the spectrum.
            zero: eigenvalues up to it are all wanted.
            cap: stop, incomplete, once so many of them are found beyond those known.
        """
        found, limit = known, known.values.size + cap
        while found.values.size < self.size:
            run = self._lowest_beyond(found, radius)
            enough = found.values.size >= self.count
            bound = max(zero, found.values[self.count - 1]) if enough else np.inf
            found = found.merged(run)
            if run.values[0] > max(zero, bound - self.tol * radius):
                break
            if (found.values <= zero).sum() >= limit:
                return found, False
        return found, True

    def _lowest_beyond(self, found: EigenPairs, radius: float) -> EigenPairs:
        """One run with ``found`` moved to the radius.

        The map is shifted down by twice the radius, because ARPACK's stopping rule is relative to the wanted eigenvalue
        and never holds for zeros.
        """
        lift, shift = radius - found.values, 2.0 * radius

        def shifted(vector: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
            raised = found.vectors @ (lift * (found.vectors.T @ vector))
            return self.product(vector) + raised - shift * vector

        pairs = self._run(shifted, which="SA", count=min(self.count, self.size - found.values.size))
        ordered = pairs.where(np.argsort(pairs.values))
        return EigenPairs(ordered.values + shift, ordered.vectors)

    def _run(self, product: Map, *, which: str, count: int) -> EigenPairs:
        matrix = LinearOperator((self.size, self.size), matvec=product, dtype=np.float64)  # type: ignore[call-arg]
        start = self.generator.standard_normal(self.size)
        try:
            values, vectors = eigsh(
                matrix,
                count,
                which=which,
                v0=start,
                tol=self.tol,  # type: ignore[arg-type]
                maxiter=self.max_iterations,
            )
        except ArpackNoConvergence as error:
            raise ConvergenceError(
                f"Lanczos: expected {count} eigenvalues within {self.max_iterations} iterations, but found "
                f"{len(error.eigenvalues)}; raise max_iterations or tol"
            ) from None
        return EigenPairs(values, vectors)
