"""The run-time type checker that the tests put around every function and dataclass of the package."""

from beartype import BeartypeConf, beartype

__all__ = ["check"]

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as it is for pyright
