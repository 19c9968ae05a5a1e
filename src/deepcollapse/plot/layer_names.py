"""Names of layers where there is little room: the ends of long ones, and few of many."""

__all__ = ["short_name", "thinned"]

_LENGTH = 16


def thinned(count: int, most: int) -> list[bool]:
    """Which of so many to name, evenly spaced and the last one among them, so that no more than ``most`` are."""
    step = -(-count // most)
    return [(count - 1 - index) % step == 0 for index in range(count)]


def short_name(name: str) -> str:
    """The last parts of a path that fit."""
    parts = name.split(".")
    while len(parts) > 1 and len(".".join(parts)) > _LENGTH:
        parts = parts[1:]
    end = ".".join(parts)[-_LENGTH:]
    return name if end == name else f"…{end}"
