"""Class moments of all processes of a distributed run."""

from functools import reduce
from typing import TYPE_CHECKING, Any, cast

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.moments import ClassMoments

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

__all__ = ["gathered"]


def gathered(moments: ClassMoments, group: "ProcessGroup | Any | None" = None) -> ClassMoments:
    """Moments of the samples of all processes together, the same to the last bit in each of them.

    Every process of the group must call it with the moments of its own samples; they are exchanged and merged in the
    order of the ranks. A sampler that fills up the last batch with samples that another process has, too, counts those
    twice. O(P (K d + d^2)) memory and O(P K d^2) operations for P processes.

    Args:
        moments: of this process's samples; the same layer, classes and ``scatter`` everywhere.
        group: the processes to gather from, all of them if left out.

    Raises:
        InvalidInputError: torch.distributed is not initialised, this process is not in the group, or the processes hold
            other classes, widths, or only some of them the scatter matrix.

    >>> import numpy as np
    >>> from deepcollapse.stats import class_moments
    >>> gathered(class_moments(np.eye(2), np.arange(2), classes=2))
    Traceback (most recent call last):
    deepcollapse.errors.InvalidInputError: gathered: expected torch.distributed to be initialised, ...
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        raise InvalidInputError(
            "gathered: expected torch.distributed to be initialised, but found no process group; call "
            "torch.distributed.init_process_group first, or use the moments of one process as they are"
        )
    if distributed.get_rank(group) < 0:
        raise InvalidInputError(
            f"gathered: expected a process of the group, but found rank {distributed.get_rank()}, which is not in it; "
            "call it in the processes of the group only"
        )
    found: list[ClassMoments | None] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(found, moments, group=group)
    return reduce(ClassMoments.merge, cast(list[ClassMoments], found))
