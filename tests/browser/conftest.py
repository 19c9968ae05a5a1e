"""A browser for the report page, and the page over a store with runs of all kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.visit import Visit
from deepcollapse.report.site import write_site
from deepcollapse.store import Store
from report.site.fake_store import example_store

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine: the page is not tried in a browser")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, headless=True)
        yield found
        found.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the page over the example store."""
    out = tmp_path_factory.mktemp("site")
    write_site(Store.open(example_store()), out)
    return out


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Visit]:
    """The page on a desktop screen."""
    yield from Visit.of(browser, site)


@pytest.fixture
def phone(browser: Browser, site: Path) -> Iterator[Visit]:
    """The page on a phone."""
    yield from Visit.of(browser, site, width=375, height=780)
