"""The static page over a store of runs, which works offline."""

from deepcollapse.report.site.page import write_site

__all__ = ["write_site"]
