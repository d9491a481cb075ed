"""Guidance is written in Markdown; each page is made of that, so that both say the same.

Whatever a template prints is escaped as Markdown; `code` prints a value as it is to be typed. Links go to the Markdown file; the
page links the page that lies beside it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from schemas.showing import in_markdown, shown
from templates.practice import WORDS, is_practice
from templates.rendering import page, templates
from templates.statement import month_words

_MOST = 10_000
_TICKS = re.compile(r"`+")
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Article:
    """One piece of guidance. path: in the guidance folder, without its ending. markdown: what it says. title: its heading."""

    path: str
    markdown: str

    @property
    def title(self) -> str:
        heading = next(line for line in self.markdown.splitlines() if line.startswith("# "))
        return _plain(_reader().renderInline(heading.removeprefix("# ")))

    @property
    def text(self) -> str:
        """Its Markdown as a file."""
        return f"> {WORDS}\n\n{self.markdown}" if is_practice() else self.markdown

    @property
    def up(self) -> str:
        """The way from its folder to the guidance folder."""
        return "../" * self.path.count("/")

    @property
    def words(self) -> str:
        """All that it says, as plain text in one line."""
        return " ".join(_plain(_reader().render(self.markdown)).split())

    def page(self, **more: Any) -> str:
        """The same as HTML that works from disk."""
        body = Markup(_reader().render(self.markdown))
        return page("guidance/page.html", article=self, body=body, **{"search": None, **more})


def article(path: str, template: str, **facts: Any) -> Article:
    """An article of a template in templates/guidance."""
    return Article(path, _marked().get_template(f"guidance/{template}").render(**facts))


def words_of_month(month: str) -> str:
    """YYYY-MM, for people: January 2027."""
    return month_words(int(month[:4]), int(month[5:]))


def _escaped(value: Any) -> Any:
    return value if isinstance(value, Markup) else Markup(in_markdown(str(value), _MOST))


def _code(value: Any) -> Markup:
    """A value as it is typed: in backticks, more of them than it has itself; one that would end a cell of a table does not."""
    text = shown(str(value), _MOST).replace("|", "\\|")
    ticks = "`" * (max((len(each) for each in _TICKS.findall(text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return Markup(f"{ticks}{space}{text}{space}{ticks}") if text else Markup("")


@cache
def _marked() -> Environment:
    environment = templates().overlay(finalize=_escaped, keep_trailing_newline=True)
    environment.filters = environment.filters | {"code": _code, "block": lambda text: Markup(text.rstrip("\n"))}
    # Sentences of ours may name things in backticks.
    environment.filters["ours"] = lambda text: Markup(text.replace("|", "\\|"))
    environment.filters["month"] = words_of_month
    return environment


@cache
def _reader() -> MarkdownIt:
    """Markdown without HTML of its own; tables whose headings and places a screen reader knows."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    reader.add_render_rule("th_open", lambda *_: '<th scope="col">')
    reader.add_render_rule("heading_open", _heading_open)
    reader.add_render_rule("link_open", _link_open)
    return reader


def _table_open(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    said = [each for each in tokens[:at] if each.type == "inline" and each.level == 1]
    headings = [tokens[place + 1].content for place in range(at) if tokens[place].type == "heading_open"]
    label = (headings or [each.content for each in said] or ["Table"])[-1]
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{Markup.escape(_bare(label))}"><table>\n'


def _heading_open(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    return f'<{tokens[at].tag} id="{anchor(tokens[at + 1].content)}">'


def _link_open(self: RendererHTML, tokens: list[Token], at: int, options: OptionsDict, env: Any) -> str:
    href = str(tokens[at].attrs.get("href", ""))
    tokens[at].attrs["href"] = re.sub(r"\.md(?=$|#)", ".html", href)
    return self.renderToken(tokens, at, options, env)


def anchor(heading: str) -> str:
    """What a heading is known by within its page."""
    return re.sub(r"[^a-z0-9]+", "-", _bare(heading).lower()).strip("-")


def _bare(markdown: str) -> str:
    return re.sub(r"[`*\\]", "", markdown)


def _plain(html: str) -> str:
    return Markup(_TAG.sub(" ", html)).unescape().strip()
