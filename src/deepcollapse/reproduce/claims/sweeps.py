"""How often gradient descent ends in collapse along one setting, at each initial scale; for E2 and E3."""

from collections.abc import Callable, Mapping, Sequence

from deepcollapse.reproduce.claims.acceleration import audit_of
from deepcollapse.reproduce.claims.ends import Ends, ends_by, points, quoted
from deepcollapse.reproduce.claims.spans import short
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["Lines", "sweep_judgement"]

Lines = Mapping[float, Sequence[Ends]]
"""By initial scale: the points in the order in which collapse is claimed to become more frequent."""


def sweep_judgement(
    found: Evidence,
    part: str,
    *,
    setting: str,
    falling: bool = False,
    audits: Sequence[str],
    check: str,
    shows: Callable[[Sequence[Ends]], Mapping[str, bool]],
    told: Callable[[Lines], str],
    conditions: Callable[[Lines], list[str]] = lambda lines: [],
) -> Judgement:
    """Whether at some initial scale the rate of collapse follows the setting as claimed.

    Args:
        found: the runs.
        part: with the sweep.
        setting: name of the column that is swept.
        falling: whether collapse is claimed to become more frequent as the setting falls.
        audits: parts that repeat accelerated runs in full.
        check: the claim, in words.
        shows: what must be true of the points of one scale.
        told: what is said of the lines besides the rates.
        conditions: of the claim's own, for the lines at which it was met.
    """
    rows = found.parts[part].rows
    ends = ends_by(rows, setting, "init_scale")
    lines = {scale: points(ends, scale, at=1)[:: -1 if falling else 1] for scale in sorted({e.key[1] for e in ends})}
    shown = {scale: shows(line) for scale, line in lines.items()}
    met = {scale: line for scale, line in lines.items() if all(shown[scale].values())}
    audit, lost = audit_of(found, rows, audits), sum(point.undecided for point in ends)
    sentences = [_rates(lines, setting), told(lines), f"{lost} of {len(rows)} runs are undecided."]
    return judged(
        {check: bool(met)},
        ours=" ".join(filter(None, [*sentences, audit and audit.sentence])),
        numbers={
            "points": [point.as_json((setting, "init_scale")) for point in ends],
            "scales": {f"{scale:g}": dict(shown[scale]) for scale in lines},
            "audit": audit and audit.as_json(),
            "undecided": lost,
        },
        conditions=[*_elsewhere(lines, met, setting), *conditions(met), *(audit.conditions if audit else [])],
    )


def _rates(lines: Lines, setting: str) -> str:
    swept = ", ".join(short(point.key[0]) for point in max(lines.values(), key=len))
    rates = [
        f"scale {scale:g}: {', '.join(_rate(point) for point in line)}, at the last {quoted(line[-1].dnc)}"
        for scale, line in lines.items()
    ]
    return f"DNC rate at {setting} {swept}; {'; '.join(rates)}."


def _rate(point: Ends) -> str:
    if point.dnc.value is not None:
        return f"{point.dnc.value:.2f}"
    return f"{point.dnc.count / point.runs:.2f}..{(point.dnc.count + point.dnc.undecided) / point.runs:.2f}"


def _elsewhere(lines: Lines, met: Lines, setting: str) -> list[str]:
    """That the claim holds at some initial scales only, and what the others have at the end of the sweep."""
    if not met or len(met) == len(lines):
        return []
    last = short(next(iter(lines.values()))[-1].key[0])
    rest = "; ".join(f"scale {scale:g} {quoted(line[-1].dnc)}" for scale, line in lines.items() if scale not in met)
    scales, among = (", ".join(f"{scale:g}" for scale in some) for some in (met, lines))
    return [f"only at initial scale {scales} of {among}; DNC at {setting} {last} elsewhere: {rest}"]
