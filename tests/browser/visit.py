"""A visit to the page: what was fetched, what went wrong, and how to get about."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, expect

PATIENCE = 30_000  # ms; machines that test are busy
expect.set_options(timeout=PATIENCE)


@dataclass
class Visit:
    """A page in a browser window of its own."""

    page: Page
    index: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        browser: Browser,
        site: Path,
        *,
        width: int = 1280,
        height: int = 900,
        theme: Literal["light", "dark"] = "light",
    ) -> Iterator["Visit"]:
        """The visit; at its end nothing may have gone wrong, and nothing have been fetched from elsewhere."""
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        context.set_default_timeout(PATIENCE)
        found = cls(context.new_page(), (site / "index.html").as_uri())
        found.page.on("console", lambda line: found.faults.append(f"{line.type}: {line.text}"))
        found.page.on("pageerror", lambda error: found.faults.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))
        yield found
        context.close()
        assert found.faults == [], found.faults
        folder = site.as_uri() + "/"
        assert [url for url in found.requests if not url.startswith((folder, "data:", "blob:"))] == []

    def open(self, view: str = "claims") -> Locator:
        """Go to a view ("sweeps?x=width"); its section once it stands."""
        self.page.goto(f"{self.index}#{view}")
        return self.section(view.partition("?")[0])

    def section(self, view: str) -> Locator:
        expect(self.page.locator(f'html[data-ready="{view}"]')).to_have_count(1)
        section = self.page.locator(f'section[data-view="{view}"]')
        expect(section).to_be_visible()
        return section

    def shown(self, view: str) -> dict[str, Any]:
        """What a view says that it shows."""
        section = self.page.locator(f'section[data-view="{view}"][data-shown]')
        expect(section).to_have_count(1)
        return json.loads(section.get_attribute("data-shown") or "")

    @property
    def hash(self) -> str:
        return self.page.evaluate("location.hash")

    def chart(self, name: str) -> Locator:
        """A chart, once it is drawn."""
        card = self.page.locator(f'[data-chart="{name}"]')
        card.scroll_into_view_if_needed()
        expect(self.page.locator(f'[data-chart="{name}"][data-drawn]')).to_have_count(1)
        return card

    def control(self, name: str) -> Locator:
        return self.page.locator(f'section:not([hidden]) [data-control="{name}"]').first

    def download(self, name: str) -> str:
        """The CSV file behind a chart."""
        with self.page.expect_download() as started:
            self.page.locator(f'[data-csv="{name}"]').click()
        assert started.value.suggested_filename == f"{name}.csv"
        return Path(started.value.path()).read_text(encoding="utf-8")

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
