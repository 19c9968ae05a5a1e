"""Rows divided into a few views, every one with the same mixture of classes."""

import torch

__all__ = ["pieces"]


def pieces(rows: torch.Tensor, most: int | None) -> list[torch.Tensor]:
    """Views of at most so many rows, each of every k-th row: the i-th has rows i, i + k, ...

    >>> [piece.tolist() for piece in pieces(torch.arange(7), 3)]
    [[0, 3, 6], [1, 4], [2, 5]]
    """
    count = 1 if most is None else -(-len(rows) // most)
    return [rows[start::count] for start in range(count)] if count > 1 else [rows]
