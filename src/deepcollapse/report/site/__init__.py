"""The static page over a store of runs, which works offline."""

from deepcollapse.report.site.folder import expect_page_folder
from deepcollapse.report.site.page import write_site

__all__ = ["expect_page_folder", "write_site"]
