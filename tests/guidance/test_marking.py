"""Whatever a name holds, a page shows it and runs none of it; what is typed is shown as it is typed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from schemas.outbound.guidance import Due, Partner, Whose
from schemas.showing import shown
from templates.guidance.marking import Article, _marked
from templates.guidance.own import own_articles
from tests.laws import tried

HOSTILE = (
    "<script>alert(1)</script>", "[here](javascript:alert(1))", "![x](http://example.org/x)", "`code` | cell | *bold* _soft_",
    "# heading", "{{ 7 * 7 }}", "&amp; &lt;b&gt;", "https://example.org www.example.org", "a\\|b", "~~~~", "1. one", "\\",
)  # fmt: skip


def body(name: str, template: str) -> str:
    return Article("x", "# T\n\n" + _marked().from_string(template).render(name=name)).page().split("<main", 1)[1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_and_never_run(name):
    partners = (Partner("p", name, (2025,)),)
    statements = (Due("s", 2025, "2026-01", "output", date(2025, 12, 31), date(2026, 1, 25)),)
    for each in own_articles(Whose("w", name, statements, (), partners), date(2025, 11, 29)):
        page = each.page().split("<main", 1)[1]
        assert (
            "<script" not in page
            and "javascript:" not in page.replace("[here](javascript:alert(1))", "")
            and "<img" not in page
        )
        assert "http" not in "".join(part.split('"')[0] for part in page.split('href="')[1:])


@tried(200)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=60))
def test_text_and_code_come_out_as_they_went_in(name):
    text = " ".join(shown(name, 10_000).split())
    assert text in " ".join(Markup(body(name, "before {{ name }} after")).striptags().split())
    code = body(name, "| C |\n| --- |\n| {{ name | code }} |\n")
    plain = Markup(code.split("<code>")[1].split("</code>")[0]).unescape() if "<code>" in code else ""
    assert " ".join(plain.split()) == text
