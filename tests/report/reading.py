"""A page as a browser sees it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Page(HTMLParser):
    """Every element with its attributes, the text outside <style>, and what is not well-formed."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if len(dict(attributes)) != len(attributes):
            self.faults.append(f"attribute twice in <{tag}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"unexpected </{tag}>")

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def attributes(self, name):
        return [values[name] for _, values in self.elements if name in values]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def read(html):
    page = Page()
    page.feed(html)
    page.close()
    page.faults += [f"<{tag}> left open" for tag in page.open]
    return page
