"""Linear algebra shared by all packages."""

from deepcollapse.linalg.rank import numerical_rank

__all__ = ["numerical_rank"]
