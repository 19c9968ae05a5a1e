"""Claims, sweeps, networks, logits and runs in a browser, over a store with runs of all kinds."""

import csv
import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.visit import Visit
from deepcollapse.simulate import rate
from deepcollapse.store import Store
from report.site.fake_store import example_store


def rows_of(part: str) -> list[dict]:
    store = Store.open(example_store())
    ids = {run.id for run in store.plans()[0].runs if run.part == part}
    return store.table(ids).to_pylist()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_verdicts_filter_the_claims_and_lead_to_their_runs(visit: Visit):
    visit.open("claims")
    claims = visit.page.locator(".claim:visible")
    expect(claims).to_have_count(4)
    button = visit.page.get_by_role("button", name="1 reproduced with conditions")
    button.click()
    expect(claims).to_have_count(1)
    assert visit.hash == "#claims?verdict=reproduced-with-conditions"
    visit.page.reload()
    expect(claims).to_have_count(1)
    claims.get_by_text("runs behind it").click()
    visit.section("runs")
    assert visit.shown("runs") == {"kind": "simulate", "runs": 24}


def test_rates_of_collapse_are_those_of_the_rows(visit: Visit):
    visit.open("sweeps?part=0")
    assert visit.shown("sweeps") == {"x": "width", "by": "", "count": "rank", "scale": "ratio", "runs": 24}
    visit.chart("dnc-rate")
    rows = rows_of("E2")
    for line in table(visit.download("dnc-rate")):
        own = [row for row in rows if row["width"] == int(line["width"])]
        decided = [row for row in own if row["status"] == "converged"]
        undecided = len(own) - len(decided)
        wanted = rate(sum(row["structure"] == "dnc" for row in decided), len(own), undecided=undecided)
        assert (int(line["dnc"]), int(line["undecided"])) == (wanted.count, wanted.undecided)
        assert line["rate"] == ("" if wanted.value is None else f"{wanted.value}")
        assert [float(line["low"]), float(line["high"])] == pytest.approx(wanted.interval, abs=1e-9)


def test_every_control_of_the_sweeps_changes_what_is_shown_and_the_address_restores_it(visit: Visit):
    visit.open("sweeps?part=0")
    expect(visit.page.locator('[data-slot="pooled"]')).to_contain_text("pools initial scale (0.5, 1, 2)")
    visit.control("by").select_option("init_scale")
    assert len(table(visit.download("dnc-rate"))) == 12
    expect(visit.page.locator('[data-slot="pooled"]')).not_to_contain_text("pools")
    visit.page.locator("summary", has_text="initial scale").click()
    visit.page.get_by_label("0.5", exact=True).check()
    assert visit.shown("sweeps")["runs"] == 8
    visit.control("count").select_option("structure")
    assert "paired" in table(visit.download("endpoints"))[0]
    visit.control("scale").select_option("absolute")
    expect(visit.chart("endpoint-losses")).to_contain_text("predictions")
    visit.control("x").select_option("init_scale")
    shown = visit.shown("sweeps")
    assert shown == {"x": "init_scale", "by": "", "count": "structure", "scale": "absolute", "runs": 8}
    address = visit.hash
    visit.open("claims")
    visit.page.goto(visit.index + address)
    visit.section("sweeps")
    assert visit.shown("sweeps") == shown
    expect(visit.page.get_by_label("0.5", exact=True)).to_be_checked()
    visit.control("part").select_option("1")
    assert visit.shown("sweeps") == shown | {"x": "decay", "runs": 8}


def test_ranks_and_losses_are_those_of_the_rows(visit: Visit):
    visit.open("sweeps?part=1&x=decay")
    visit.chart("endpoints")
    rows = [row for row in rows_of("E3") if row["status"] == "converged"]
    for line in table(visit.download("endpoints")):
        own = [row["rank"] for row in rows if row["decay"] == float(line["decay"])]
        assert {rank: int(line[f"rank_{rank}"]) for rank in set(own)} == {rank: own.count(rank) for rank in set(own)}
    visit.chart("endpoint-losses")
    ends = table(visit.download("endpoint-losses"))
    assert sum(int(line["seeds"]) for line in ends) == len(rows_of("E3"))
    assert {line["status"] for line in ends} == {"converged", "not converged"}


def test_networks_are_held_against_their_bound(visit: Visit):
    visit.open("networks")
    rows = rows_of("E4-mnist-mlp")
    expect(visit.chart("objectives")).to_contain_text(f"{len(rows)} of {len(rows)} networks end below it")
    found = sorted(float(line["loss"]) for line in table(visit.download("objectives")))
    assert found == pytest.approx(sorted(row["loss"] for row in rows))
    visit.chart("network-spectra")
    assert len(table(visit.download("network-spectra"))) == 10 * len(rows)
    visit.control("x").select_option("head.gain")
    visit.control("by").select_option("head.width")
    visit.page.locator("summary", has_text="gain of the head").click()
    visit.page.get_by_label("2", exact=True).check()
    assert visit.shown("networks") == {"x": "head.gain", "by": "head.width", "runs": len(rows) // 2}
    visit.page.locator("tbody a").first.click()
    expect(visit.section("run")).to_contain_text("below the bound")


def test_logits_of_every_kind_are_pictured(visit: Visit):
    visit.open("logits")
    expect(visit.chart("logits").locator("image")).to_have_count(1)
    start = visit.shown("logits")
    rows = {row["seed"]: row for row in rows_of("E2") if row["run"] == start["run"]}
    values = [float(line["singular_value"]) for line in table(visit.download("singular-values"))]
    assert values == pytest.approx(rows[0]["singular_values"], rel=1e-6)
    visit.page.get_by_role("button", name="Next").click()
    expect(visit.page.locator('[data-slot="view"]:visible .answer')).to_contain_text("Seed 1")
    visit.control("order").select_option("as-is")
    assert visit.shown("logits") == {"run": start["run"], "end": 1, "order": "as-is"}
    entries = table(visit.download("logits"))
    assert len(entries) == 36
    assert sum(float(entry["logit"]) for entry in entries) == pytest.approx(0, abs=1e-5)
    answer = visit.page.locator('[data-slot="view"]:visible .answer')
    for part, text in (("2", "Trained"), ("4", "Point 1")):
        visit.control("part").select_option(part)
        expect(answer).to_contain_text(text)
        visit.chart("logits")
    visit.control("run").select_option(index=1)
    visit.control("end").select_option(index=0)
    visit.page.reload()
    expect(answer).to_contain_text("Point 1")


def test_runs_can_be_chosen_sorted_and_leafed_through(visit: Visit):
    visit.open("runs")
    assert visit.shown("runs")["runs"] == 32
    visit.page.get_by_role("button", name="lowest loss").click()
    visit.page.get_by_role("button", name="lowest loss").click()
    expect(visit.page.locator('th[aria-sort="descending"]')).to_contain_text("lowest loss")
    visit.page.reload()
    expect(visit.page.locator('th[aria-sort="descending"]')).to_contain_text("lowest loss")
    visit.control("part").select_option("1")
    assert visit.shown("runs") == {"kind": "simulate", "runs": 8}
    visit.control("kind").select_option("theory")
    assert visit.shown("runs") == {"kind": "theory", "runs": 4}
    visit.control("claim").select_option("E4")
    assert visit.shown("runs")["kind"] == "train"
    visit.control("claim").select_option("")
    first = visit.page.locator("tbody code").first.text_content() or ""
    visit.control("id").fill(first[:6])
    visit.control("id").press("Enter")
    expect(visit.page.locator("section:not([hidden]) tbody tr")).to_have_count(1)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("simulate", ["initial scale", "Rows", "arrays.safetensors", "spec.json", "most end at"]),
        ("train", ["gain of the head", "NC1", "rows.parquet"]),
        ("landscape", ["restarts", "Rows", "hits"]),
        ("theory", ["Theorems", "T1", "critical", "rechecked"]),
    ],
)
def test_a_run_shows_settings_result_and_files(visit: Visit, kind: str, texts: list[str]):
    visit.open(f"runs?kind={kind}")
    visit.page.locator("tbody a").first.click()
    section = visit.section("run")
    for text in texts:
        expect(section).to_contain_text(text)
    target = section.get_by_role("link", name="spec.json").evaluate(
        "link => decodeURIComponent(new URL(link.href).pathname)"
    )
    assert json.loads(Path(target).read_text(encoding="utf-8"))["kind"] == kind


def test_a_run_that_is_not_there_is_called_so(visit: Visit):
    visit.open("run?id=0123456789abcdef")
    expect(visit.section("run")).to_contain_text("There is no finished run 0123456789abcdef")
