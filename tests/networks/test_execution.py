"""Float32 stays float32 where PyTorch would take shorter formats."""

import pytest
import torch

from deepcollapse.networks.execution import full_float32

PLACES = (torch.backends.cuda.matmul, torch.backends.cudnn)


def allowed() -> list[bool]:
    return [place.allow_tf32 for place in PLACES]


@pytest.mark.parametrize("before", [True, False])
def test_float32_is_not_rounded_to_tf32_meanwhile(before: bool):
    first = allowed()
    try:
        for place in PLACES:
            place.allow_tf32 = before
        with full_float32():
            assert allowed() == [False, False]
        assert allowed() == [before, before]
    finally:
        for place, value in zip(PLACES, first, strict=True):
            place.allow_tf32 = value
