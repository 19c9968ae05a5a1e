"""What of the claims a reproduction covers; it is written in its plan's name, from which the ledger reads it."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from deepcollapse.errors import InvalidInputError
from deepcollapse.reproduce.claims import CLAIMS

__all__ = ["SIZES", "Scope"]

SIZES = ("quick", "small", "full")
_NAME = re.compile(rf"reproduction ({'|'.join(SIZES)})(?: of ([ET]\d(?:[ ,-][ET]\d)*))?(?: (?:on|with) .*)?")
_NAME_MAX = 80  # characters, of plans in a store
_DIGEST = 8  # hexadecimal digits in the place of the rest of a name that is still longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A size and the claims that are asked for.

    Attributes:
        size: "quick", "small" or "full".
        claims: ids, in the ledger's order.
        device: of torch; None is the plan's.
        images: an archive in the place of CIFAR-10's own files.
    """

    size: str
    claims: tuple[str, ...] = tuple(CLAIMS)
    device: str | None = None
    images: Path | None = None

    @classmethod
    def asked(
        cls,
        size: str,
        *,
        only: Collection[str] | None = None,
        device: str | None = None,
        images: Path | None = None,
    ) -> "Scope":
        """A scope from what a person asks for.

        Raises:
            InvalidInputError: an unknown size or claim.

        >>> Scope.asked("quick", only=["t4", "T1"]).claims
        ('T1', 'T4')
        """
        if size not in SIZES:
            raise InvalidInputError(f"size: expected one of {', '.join(SIZES)}, but found {size!r}; choose one")
        ids = set(CLAIMS) if only is None else {id.strip().upper() for id in only}
        if not ids or ids - CLAIMS.keys():
            found = ", ".join(sorted(ids - CLAIMS.keys())) or "none"
            raise InvalidInputError(
                f"only: expected some of {', '.join(CLAIMS)}, but found {found}; join them by commas"
            )
        return cls(size=size, claims=tuple(id for id in CLAIMS if id in ids), device=device, images=images)

    @classmethod
    def of(cls, plan_name: str) -> "Scope":
        """The size and claims of a plan from its name.

        Raises:
            InvalidInputError: the plan is not that of a reproduction.

        >>> Scope.of("reproduction quick of E8,T1-T3").claims
        ('E8', 'T1', 'T2', 'T3')
        """
        found = _NAME.fullmatch(plan_name)
        if found is None:
            raise InvalidInputError(
                f"plan: expected one of a reproduction, but found {plan_name!r}; make one with deepcollapse reproduce"
            )
        return cls.asked(found[1], only=_ids(found[2]) if found[2] else None)

    @property
    def plan_name(self) -> str:
        """The name of the plan in a store; a long one has the claims in runs, such as E1-E3,E7."""
        name = self._name(" ".join(self.claims))
        if len(name) > _NAME_MAX:
            name = self._name(_runs(self.claims))
        if len(name) > _NAME_MAX:
            digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
            name = f"{name[: _NAME_MAX - _DIGEST - 1]} {digest}"
        return name

    def _name(self, claims: str) -> str:
        name = f"reproduction {self.size}"
        if self.claims != tuple(CLAIMS):
            name += f" of {claims}"
        if self.device is not None:
            name += f" on {self.device}"
        if self.images is not None:
            name += f" with {self.images.name}"
        return name


def _runs(claims: tuple[str, ...]) -> str:
    """Ids of which neighbours in the ledger are joined, E1-E3 for E1 E2 E3."""
    ids, runs = list(CLAIMS), []
    for id in claims:
        if runs and ids.index(id) == ids.index(runs[-1][-1]) + 1:
            runs[-1].append(id)
        else:
            runs.append([id])
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _ids(text: str) -> list[str]:
    """The ids in a plan's name; those of claims increase in the ledger's order."""
    found = []
    for run in re.split("[ ,]", text):
        first, _, last = run.partition("-")
        found += [id for id in CLAIMS if first <= id <= last] if last else [first]
    return found
