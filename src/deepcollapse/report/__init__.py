"""One HTML page that works offline: its parts as data, its rendering, and the demonstration's page."""

from deepcollapse.report.demo import demo_sections
from deepcollapse.report.page import Picture, Report, Section, Table
from deepcollapse.report.run import write_run
from deepcollapse.report.svg import svg
from deepcollapse.report.write import html, write_report

__all__ = ["Picture", "Report", "Section", "Table", "demo_sections", "html", "svg", "write_report", "write_run"]
