"""Linear algebra shared by all packages."""

from deepcollapse.linalg.frame import haar_frame
from deepcollapse.linalg.rank import numerical_rank

__all__ = ["haar_frame", "numerical_rank"]
