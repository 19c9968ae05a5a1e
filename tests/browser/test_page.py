"""The whole page in a browser: getting about, themes, phones, keyboards."""

import pytest
from playwright.sync_api import Browser, expect

from browser.visit import Visit

VIEWS = ("claims", "explore", "sweeps", "networks", "logits", "runs")


def test_every_view_is_reached_by_its_link_and_by_the_history(visit: Visit):
    visit.open()
    for view in VIEWS[1:]:
        visit.page.locator(f'nav a[data-to="{view}"]').click()
        visit.section(view)
        expect(visit.page.locator("nav a[aria-current]")).to_have_attribute("data-to", view)
    assert visit.page.locator("section:not([hidden])").count() == 1
    visit.page.go_back()
    visit.section("logits")
    visit.page.goto(f"{visit.index}#nonsense?x=1")
    visit.section("claims")


def test_the_tab_key_reaches_everything_and_the_focus_is_seen(visit: Visit):
    visit.open("claims")
    seen = []
    for _ in range(14):
        visit.page.keyboard.press("Tab")
        seen.append(
            visit.page.evaluate(
                """() => {
                  const style = getComputedStyle(document.activeElement);
                  const text = document.activeElement.textContent.trim().slice(0, 40);
                  return [text, style.outlineStyle, style.outlineWidth];
                }"""
            )
        )
    assert all(style == "solid" and width == "2px" for _, style, width in seen), seen
    texts = [text for text, *_ in seen]
    assert texts[:3] == ["Skip to the content", "deepcollapse example store", "Claims"]
    assert any("reproduced" in text for text in texts)


def test_with_the_keyboard_alone_one_can_move_a_slider_sort_runs_and_open_one(visit: Visit):
    visit.open("explore")
    visit.control("layers").focus()
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator('[data-slot="command"]')).to_contain_text("--layers 3")
    visit.open("runs")
    sort = visit.page.get_by_role("button", name="width d")
    sort.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator('th[aria-sort="ascending"]')).to_contain_text("width d")
    visit.page.locator("tbody a").first.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.section("run").locator("h1")).to_contain_text("Run ")
    assert visit.page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("address", ["claims", "explore?classes=7&layers=3&decay=2%5E-9&samples=2&width=20"])
def test_the_skip_link_leads_to_the_content_of_the_view(visit: Visit, address: str):
    visit.open(address)
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    visit.section(address.partition("?")[0])
    assert visit.page.evaluate("document.activeElement.id") == "content"
    assert visit.hash == f"#{address}"


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(phone: Visit, view: str):
    section = phone.open(view)
    expect(section.locator("h1")).to_be_visible()
    assert phone.overflow <= 0
    for summary in section.locator("summary:visible").all()[:3]:
        summary.click()
    assert phone.overflow <= 0


def test_dark_colours_follow_the_system_and_the_switch(browser: Browser, site):
    visits = Visit.of(browser, site, theme="dark")
    visit = next(visits)
    visit.open("explore")
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('h1')).color"
    assert visit.page.evaluate(background) == "rgb(13, 17, 23)"
    chart = visit.chart("losses-over-decay")
    faint = "one => getComputedStyle(one.querySelector('.xtick text')).fill"
    assert chart.evaluate(faint) == "rgb(145, 152, 161)"
    switch = visit.page.get_by_role("button", name="Dark colours")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert visit.page.evaluate(background) == "rgb(246, 248, 250)"
    assert visit.page.evaluate(ink) == "rgb(31, 35, 40)"
    expect(chart.locator(".xtick text").first).to_have_css("fill", "rgb(89, 99, 110)")
    visit.page.reload()
    visit.section("explore")
    assert visit.page.evaluate(background) == "rgb(246, 248, 250)"
    next(visits, None)


def test_texts_of_the_store_stay_texts(visit: Visit):
    visit.open("claims")
    expect(visit.page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert visit.page.locator("main script").count() == 0


def test_what_is_rebuilt_under_the_focus_keeps_it(visit: Visit):
    focused = "document.activeElement.dataset.control"
    visit.open("sweeps?part=0")
    visit.control("x").focus()
    visit.control("x").select_option("init_scale")
    assert visit.shown("sweeps")["x"] == "init_scale"
    assert visit.page.evaluate(focused) == "x"
    visit.open("logits")
    visit.shown("logits")
    visit.page.get_by_role("button", name="Next").focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".answer:visible")).to_contain_text("Seed 1")
    assert visit.page.evaluate(focused) == "Next"
    visit.open("explore")
    visit.page.locator('[data-structure="circle"], [data-structure="T5"]').first.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator('[data-structure="T5"]')).to_have_attribute("aria-pressed", "true")
    assert visit.page.evaluate(focused) == "T5"
