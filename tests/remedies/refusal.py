"""A refusal and what its advice leads to: following it works, or leads to a message about something else."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from deepcollapse.errors import DeepcollapseError

__all__ = ["Refusal", "cases"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal.

    Attributes:
        says: how the message begins, up to what was found.
        advice: what it says behind the semicolon, or a part of that.
        refused: what provokes it.
        followed: the same with the advice followed to the letter.
        leads_to: how the message begins to which the advice leads; None where it works.
    """

    says: str
    advice: str
    refused: Callable[[], object]
    followed: Callable[[], object]
    leads_to: str | None = None

    def check(self) -> None:
        """The refusal is made with its advice, and the advice works."""
        with pytest.raises(DeepcollapseError) as caught:
            self.refused()
        message = str(caught.value)
        assert message.startswith(self.says), message
        assert ", but " in message
        assert self.advice in message.partition(";")[2], message
        if self.leads_to is None:
            self.followed()
            return
        assert self.leads_to != self.says
        with pytest.raises(DeepcollapseError) as caught:
            self.followed()
        assert str(caught.value).startswith(self.leads_to), str(caught.value)


def cases(table: list[Refusal]) -> pytest.MarkDecorator:
    """The table as parameters of a test."""
    return pytest.mark.parametrize("refusal", table, ids=[refusal.says for refusal in table])
