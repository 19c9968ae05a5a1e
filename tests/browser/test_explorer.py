"""The landscape explorer in a browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.visit import Visit
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import structures


def structure_names(visit: Visit) -> list[str]:
    return visit.page.locator("[data-structure]").evaluate_all("all => all.map((one) => one.dataset.structure)")


def test_it_shows_the_structures_of_the_package_in_their_order(visit: Visit):
    visit.open("explore?classes=10&layers=3&decay=2^-9&samples=2&width=20")
    visit.page.get_by_role("button", name="Show all").click()
    wanted = structures(Problem(classes=10, layers=3, decay=2.0**-9, samples=2, width=20))
    assert structure_names(visit) == [structure.name for structure in wanted]
    header, *lines = visit.download("structures").splitlines()
    assert header == "structure,rank,loss,critical,scales,singular_values"
    losses = [float(line.split(",")[2]) for line in lines]
    assert losses == pytest.approx([structure.loss for structure in wanted], rel=1e-9)


def test_every_slider_moves_with_the_keyboard_and_is_kept_in_the_address(visit: Visit):
    visit.open("explore")
    start = visit.shown("explore")
    for name in ("classes", "layers", "decay", "samples", "width"):
        slider = visit.control(name)
        before = slider.get_attribute("aria-valuetext")
        slider.press("ArrowRight")
        expect(slider).not_to_have_attribute("aria-valuetext", before or "")
    expect(visit.page.locator('[data-slot="command"]')).to_contain_text(
        "--classes 11 --layers 3 --samples 6 --width 76"
    )
    moved = visit.shown("explore")
    assert all(moved[name] != start[name] for name in start)
    address = visit.hash
    visit.open("claims")
    visit.page.goto(visit.index + address)
    visit.section("explore")
    assert visit.shown("explore") == moved


def test_fields_take_numbers_and_powers_and_refuse_others(visit: Visit):
    visit.open("explore")
    field = visit.page.locator('[data-field="decay"]')
    field.fill("2^-6")
    field.press("Enter")
    expect(visit.control("decay")).to_have_attribute("aria-valuetext", "2^-6, 0.0156")
    assert "decay=2%5E-6" in visit.hash
    field.fill("much")
    field.press("Tab")
    expect(field).to_have_attribute("aria-invalid", "true")
    wrong = visit.page.get_by_role("alert").filter(visible=True)
    expect(wrong).to_contain_text("Expected")
    expect(field).to_have_attribute("aria-describedby", wrong.get_attribute("id") or "none")
    assert "decay=2%5E-6" in visit.hash
    field.fill("2^-7")
    field.press("Enter")
    expect(field).not_to_have_attribute("aria-describedby", re.compile(""))


def test_every_example_is_shown_and_says_what_it_is_about(visit: Visit):
    visit.open("explore")
    answer = visit.page.locator('[data-slot="answer"]')
    wanted = {
        "0": "pairs, rank 5", "1": "triangular T5", "2": "Collapse is the cheapest",
        "3": "neural collapse is the global", "4": "Cheapest named structure", "5": "Collapse is the cheapest",
        "6": "No solution at this decay", "7": "Cheapest",
    }  # fmt: skip
    for index, text in wanted.items():
        visit.control("example").select_option(index)
        expect(answer).to_contain_text(text)
        assert visit.page.locator("[data-structure]").count() >= 1
    options = visit.control("example").locator("option")
    expect(options).to_have_count(len(wanted) + 1)


def test_a_decay_without_solutions_and_a_narrow_width_are_called_so(visit: Visit):
    visit.open("explore?classes=10&layers=3&decay=0.25&samples=1&width=10")
    assert structure_names(visit) == ["zero"]
    expect(visit.page.locator('[data-slot="facts"]')).to_contain_text("no stationary scale")
    expect(visit.chart("dimension-ratio")).to_contain_text("no named structure of a rank below")
    visit.open("explore?classes=10&layers=2&decay=2^-10&samples=1&width=6")
    expect(visit.page.locator('[data-slot="answer"]')).to_contain_text("rank 9 and does not fit the width 6")
    assert "simplex" not in structure_names(visit)


def test_odd_classes_show_the_relaxed_pairs_and_label_the_trial_point(visit: Visit):
    visit.open("explore?classes=5&layers=2&decay=2^-10&samples=1&width=10")
    row = visit.page.locator("tr", has=visit.page.locator('[data-structure="paired"]'))
    expect(row).to_contain_text("0.024513429")
    trial = visit.page.locator("tr", has=visit.page.locator('[data-structure="paired-trial"]'))
    expect(trial).to_contain_text("an upper bound")


def test_a_trial_point_is_held_against_nothing(visit: Visit):
    """It is an upper bound of a loss, not a solution with a set of its own."""
    visit.open("explore?classes=5&layers=2&decay=2^-10&samples=1&width=10&structure=paired-trial")
    expect(visit.page.locator('[data-structure="paired-trial"]')).to_have_attribute("aria-pressed", "true")
    expect(visit.chart("dimension-ratio")).not_to_contain_text("trial point")


def test_choosing_a_structure_shows_its_logits_and_its_dimension_ratio(visit: Visit):
    visit.open("explore")
    visit.page.locator('[data-structure="T5"]').click()
    expect(visit.page.locator("figure.picture")).to_contain_text("triangular T5")
    expect(visit.page.locator('[data-slot="facts"]')).to_contain_text("triangular T5, rank 4")
    assert "structure=T5" in visit.hash
    expect(visit.chart("dimension-ratio")).to_contain_text("triangular T5 (rank 4)")


def test_charts_are_drawn_and_their_numbers_can_be_read_and_saved(visit: Visit):
    visit.open("explore")
    for name in ("phase-diagram", "losses-over-decay", "dimension-ratio"):
        card = visit.chart(name)
        expect(card.locator(".main-svg").first).to_be_visible()
        card.get_by_text("Numbers as a table").click()
        expect(card.locator("tbody tr").first).to_be_visible()
        assert visit.download(name).count("\n") > 20
    best = {tuple(line.split(",")[:2]): line.split(",")[2] for line in visit.download("phase-diagram").splitlines()}
    assert best["2", "-10"] == "paired"
    assert best["3", "-10"] == "T5"
    assert best["1", "-10"] == "simplex"
    assert best["2", "-1"] == "zero"


def test_long_tables_are_leafed_through_and_pictures_saved(visit: Visit):
    visit.open("explore")
    card = visit.chart("phase-diagram")
    card.get_by_text("Numbers as a table").click()
    expect(card.get_by_role("status")).to_have_text("1 to 25 of 924")
    card.get_by_role("button", name="Next").click()
    expect(card.get_by_role("status")).to_have_text("26 to 50 of 924")
    card.get_by_role("button", name="Previous").click()
    expect(card.get_by_role("button", name="Previous")).to_be_disabled()
    card.get_by_role("button", name="log2_decay").click()
    expect(card.locator("tbody tr").first).to_contain_text("−20")
    with visit.page.expect_download() as started:
        card.get_by_role("button", name="Download the picture").click()
    assert started.value.suggested_filename == "phase-diagram.svg"
    assert Path(started.value.path()).read_text(encoding="utf-8").startswith("<svg")


def test_a_search_that_found_more_is_mentioned(visit: Visit):
    visit.open("explore?classes=10&layers=3&decay=2^-10&samples=1&width=10")
    expect(visit.page.locator('[data-slot="note"]')).to_contain_text("no name: rank 3, loss 0.0398087")
    assert "unnamed" not in " ".join(structure_names(visit))
    expect(visit.section("explore")).to_contain_text("the command also knows points without a name, found by search:")
    visit.open("explore?classes=25&layers=3&decay=2^-10&samples=1&width=10")
    expect(visit.page.locator('[data-slot="note"]')).to_contain_text("No search beyond")
