"""Whose samples a measurement is of: this process's, or those of all processes of a distributed run."""

from dataclasses import dataclass
from typing import Any, TypeVar

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats import ClassMoments, gathered

__all__ = ["Processes"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """Puts together what processes saw, each of its own share of the data.

    Attributes:
        together: whether all processes count, so that each must ask the same questions in the same order.

    Raises:
        InvalidInputError: all shall count, but torch.distributed is not initialised.
    """

    together: bool

    def __post_init__(self) -> None:
        from torch import distributed

        if self.together and not (distributed.is_available() and distributed.is_initialized()):
            raise InvalidInputError(
                "distributed: expected torch.distributed to be initialised, but found no process group; call "
                "torch.distributed.init_process_group first, or leave out distributed=True"
            )

    def moments(self, own: ClassMoments) -> ClassMoments:
        """Class moments of all samples."""
        return gathered(own) if self.together else own

    def each(self, own: T) -> list[T]:
        """What each process has, in the order of the ranks.

        >>> Processes(together=False).each("fc")
        ['fc']
        """
        if not self.together:
            return [own]
        from torch import distributed

        found: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(found, own)
        return found

    def total(self, own: int) -> int:
        """A count over all samples."""
        return sum(self.each(own))
