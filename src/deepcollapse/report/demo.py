"""The page of the demonstration: theory, curvature, simulation and a trained network for one set of sizes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature import Spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import logits_figure, singular_values_figure, spectrum_figure
from deepcollapse.report.captions import (
    SAME,
    Json,
    cost_of_collapse,
    curvature_of,
    dimension_of_solutions,
    problem_in_words,
    proof_of_cost,
    runs_in_words,
    stability_of_collapse,
)
from deepcollapse.report.ensemble import ensemble_section
from deepcollapse.report.network import network_section
from deepcollapse.report.page import Picture, Report, Section, Table
from deepcollapse.report.words import percent
from deepcollapse.ufm import Structure

__all__ = ["demo_sections"]

_PICTURED = 3


def demo_sections(
    *,
    overview: Json,
    spectra: Mapping[str, Spectrum],
    ensemble: Json,
    digits: Json,
    structures: Sequence[Structure],
) -> Report:
    """The demonstration's report.

    Args:
        overview: what ``deepcollapse theory --json`` prints.
        spectra: name of a solution -> its Hessian spectrum.
        ensemble: what ``deepcollapse simulate --json`` prints, for the same problem.
        digits: the network's result in machine form.
        structures: the solutions of the problem, with their logits.

    Raises:
        InvalidInputError: no structure or no spectrum.
    """
    return Report(
        title="Neural collapse and its cheaper rivals",
        lead=(
            f"A deep unconstrained features model with {problem_in_words(overview['problem'])}.",
            cost_of_collapse(overview),
            runs_in_words(ensemble),
        ),
        sections=(
            _solutions(overview, structures),
            _theorems(overview),
            _curvature(overview, spectra),
            ensemble_section(overview, ensemble),
            network_section(digits),
        ),
    )


def _solutions(overview: Json, structures: Sequence[Structure]) -> Section:
    shown = _pictured(structures)
    names = ", ".join(f"{one.name} (rank {one.rank})" for one in shown)
    values = {one.name: one.singular_values for one in shown}
    return Section(
        heading="Solutions and what they cost",
        prose=(dimension_of_solutions(overview["dimension"]),),
        pictures=(
            Picture(
                figure=logits_figure(shown),
                caption=f"Logits of one sample of each class: {names}. All on one colour scale.",
                description=f"Heat maps of the class logits of {names}.",
                data=_logits_table(shown),
            ),
            Picture(
                figure=singular_values_figure(values),
                caption="Singular values of the logits of all samples. Weight decay on many layers charges for their "
                "number more than for their size.",
                description="; ".join(f"{name}: {_grouped(found)}" for name, found in values.items()),
                data=_values_table(values),
            ),
        ),
        tables=(_structure_table(overview),),
    )


def _pictured(structures: Sequence[Structure]) -> list[Structure]:
    """Deep neural collapse, if it exists, then the cheapest others."""
    ranked = sorted((one for one in structures if one.rank), key=lambda one: one.loss)
    if not ranked:
        raise InvalidInputError(
            "structures: expected at least one besides zero, but found none; lower the weight decay"
        )
    collapsed = [one for one in ranked if one.name in ("simplex", "orthogonal-frame", "one-layer-frame")]
    return (collapsed + [one for one in ranked if one not in collapsed])[:_PICTURED]


def _logits_table(structures: Sequence[Structure]) -> Table:
    entries = [(one.name, *place, value) for one in structures for place, value in np.ndenumerate(one.logits)]
    names, rows, columns, values = (list(column) for column in zip(*entries, strict=True))
    return Table({"structure": names, "logit_of_class": rows, "class": columns, "logit": values})


def _values_table(values: Mapping[str, Float[np.ndarray, " _"]]) -> Table:
    pairs = [(name, index, value) for name, found in values.items() for index, value in enumerate(found, start=1)]
    names, indices, numbers = (list(column) for column in zip(*pairs, strict=True))
    return Table({"structure": names, "index": indices, "singular_value": numbers})


def _grouped(values: Float[np.ndarray, " r"]) -> str:
    """Equal values with their count: "5 of 31.52"."""
    distinct, counts = np.unique(values.round(6), return_counts=True)
    return ", ".join(f"{count} of {value:.4g}" for value, count in zip(distinct[::-1], counts[::-1], strict=True))


def _structure_table(overview: Json) -> Table:
    ranked, dnc = sorted(overview["structures"], key=lambda entry: entry["loss"]), overview["dnc"]
    columns = {key: [entry[key] for entry in ranked] for key in ("name", "rank", "loss")}
    if dnc["exists"]:
        columns["against DNC"] = [_difference(entry["loss"] / dnc["loss"] - 1) for entry in ranked]
    return Table(columns, caption="Every structure compared, cheapest first.")


def _difference(share: float) -> str:
    return "equal" if abs(share) < SAME else f"{'+' if share > 0 else '−'}{percent(abs(share))}"


def _theorems(overview: Json) -> Section:
    theorems = overview["theorems"]
    columns = {"theorem": list(theorems)} | {
        key: [entry[key] for entry in theorems.values()] for key in ("applies", "holds", "statement")
    }
    proof = (proof_of_cost(overview["certificate"]),) if "certificate" in overview else ()
    return Section(
        heading="What is proved",
        prose=(
            "A theorem applies if its hypotheses are met by these sizes. Whether its conclusion holds for them is "
            "computed besides; a dash marks where the numbers do not decide.",
            *proof,
        ),
        tables=(Table(columns),),
    )


def _curvature(overview: Json, spectra: Mapping[str, Spectrum]) -> Section:
    table = {"solution": [], "eigenvalue": [], "multiplicity": []}
    for name, spectrum in spectra.items():
        table["solution"] += [name] * spectrum.eigenvalues.size
        table["eigenvalue"] += spectrum.eigenvalues.tolist()
        table["multiplicity"] += spectrum.multiplicities.tolist()
    verdicts = " ".join(curvature_of(name, spectrum) for name, spectrum in spectra.items())
    return Section(
        heading="Curvature at the solutions",
        prose=(stability_of_collapse(overview),),
        pictures=(
            Picture(
                figure=spectrum_figure(spectra),
                caption=f"All Hessian eigenvalues, in units of the weight decay. {verdicts}",
                description=f"Multiplicity against Hessian eigenvalue. {verdicts}",
                data=Table(table),
            ),
        ),
    )
