"""The body of an issue's page: what the stylesheet relies on, and nothing a writer could break."""

import pytest

from connector import settings as configuration
from connector.publishing import editions
from connector.settings import Settings
from tests.publishing.conftest import Desk


def web(desk: Desk, body: str) -> str:
    return desk.cut(body).editions.web["everyone"]


def test_quotes_dashes_and_ellipses_are_real(desk: Desk) -> None:
    assert web(desk, 'It\'s "so" -- or... not---never\n') == "<p>It’s “so” – or… not—never</p>\n"


def test_code_keeps_what_was_typed(desk: Desk) -> None:
    page = web(desk, '`a -- "b" <i>`\n\n```python title\nx = "--" < 1\n```\n')

    assert '<code>a -- "b" &lt;i&gt;</code>' in page
    assert '<pre><code class="language-python">x = "--" &lt; 1\n</code></pre>' in page


def test_headings_can_be_linked_to(desk: Desk) -> None:
    page = web(desk, "# Die Bänke\n\n## It's *here*\n\n## It's here\n\n##### Deep\n\n## ???\n")

    assert '<h2 id="die-bänke">Die Bänke<a class="anchor" href="#die-bänke"' in page
    assert '<h2 id="its-here">It’s <em>here</em><a class="anchor"' in page
    assert '<h2 id="its-here-2">' in page
    assert '<h4 id="deep">' in page
    assert '<h2 id="section-">' in page


def test_an_address_is_a_link_and_a_file_name_is_not(desk: Desk) -> None:
    page = web(desk, "See https://example.org/a?b=1&c=2 or ines@example.org, not README.md.\n")

    assert '<a href="https://example.org/a?b=1&amp;c=2">' in page
    assert '<a href="mailto:ines@example.org">' in page
    assert "not README.md." in page


def test_a_table_scrolls_in_its_own_box(desk: Desk) -> None:
    page = web(desk, "| a | b |\n| :- | -: |\n| 1 | 2 |\n")

    assert page.startswith('<div class="table"><table>\n<thead>')
    assert '<th>a</th><th class="right">b</th>' in page
    assert '<td>1</td><td class="right">2</td>' in page


def test_a_picture_alone_is_a_figure_with_its_size(desk: Desk) -> None:
    desk.picture()

    page = web(desk, '![A "bench"](bench.jpg "It\'s *the* bench")\n')

    assert page.startswith('<figure><img src="/images/')
    assert '.jpg" width="800" height="600" loading="lazy" alt="A “bench”">' in page.replace(
        "&quot;", "“", 1
    ).replace("&quot;", "”", 1)
    assert "<figcaption>It’s <em>the</em> bench</figcaption></figure>" in page


def test_a_picture_can_be_asked_to_be_smaller(desk: Desk) -> None:
    desk.picture()

    page = web(desk, "![A bench](bench.jpg){width=400 onclick=x style=color:red}\n")

    assert 'width="400" height="300"' in page
    assert "onclick" not in page
    assert "style" not in page


def test_a_picture_among_words_stays_among_them(desk: Desk) -> None:
    desk.picture()

    page = web(desk, "Look: ![A bench](bench.jpg) there.\n")

    assert page.startswith("<p>Look: <img ")


def test_a_linked_picture_leads_where_it_should(desk: Desk) -> None:
    desk.picture()

    page = web(desk, "[![A bench](bench.jpg)](https://example.org/bench)\n")

    assert '<figure><a href="https://example.org/bench"><img' in page


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '[x](javascript:alert(1) "y")',
        "![x](javascript:alert(1))",
        "<javascript:alert(1)>",
        '[x](https://example.org/"onmouseover="alert(1))',
        '[x](https://example.org "\\"><script>alert(1)</script>")',
        '![" onload="alert(1)](https://example.org/x.png)',
        "::: callout <script>alert(1)</script> \"'\nx\n:::",
        '::: button\n[<script>alert(1)</script>](https://example.org/"x)\n:::',
        '[<script>](https://example.org/<b> "<script>")',
        "# <script>alert(1)</script>\n",
        "```<script>\n<script>\n```",
        "a[^1]\n\n[^1]: <script>alert(1)</script>",
        "| <script> |\n| - |\n| <script> |",
        "\ue000",
    ],
)
def test_hostile_words_stay_words(desk: Desk, hostile: str) -> None:
    cut = desk.cut(hostile)

    for page in (cut.editions.web["everyone"], cut.editions.email["everyone"], cut.editions.feed):
        lower = page.lower()
        assert "<script" not in lower
        assert "<form" not in lower
        assert '"javascript:' not in lower
        assert not any(
            f'" {event}="' in lower for event in ("onload", "onerror", "onmouseover", "onclick")
        )


@pytest.fixture
def with_html(configured: Settings, desk: Desk) -> Desk:
    toml = configured.root / "connector.toml"
    toml.write_text(toml.read_text() + "\n[writing]\nhtml = true\n")
    desk.settings = configuration.load(
        configured.root, {"CONNECTOR_SECRET": "a test's own secret, long enough"}
    )
    return desk


def test_html_is_cleaned_where_the_publication_allows_it(with_html: Desk) -> None:
    page = web(
        with_html,
        'A <mark>good</mark> <b onclick="x">word</b><script>alert(1)</script>\n\n'
        '<div style="position:fixed" class="wide">\n\n*inside*\n\n</div>\n\n'
        '<iframe src="https://example.org"></iframe><a href="javascript:x">y</a>\n\n'
        "::: subscribe\n:::\n",
    )

    assert "<mark>good</mark> <b>word</b>" in page
    assert '<div class="wide">' in page
    assert "<em>inside</em>" in page
    assert not any(word in page for word in ("script", "style", "onclick", "iframe", "javascript"))
    assert '<form action="/subscribe" method="post">' in page


def test_our_own_html_survives_the_cleaning(with_html: Desk, desk: Desk) -> None:
    desk.picture()
    body = (
        "# Head\n\nWords[^1] and a picture:\n\n![A bench](bench.jpg 'The bench')\n\n"
        "[Card](https://example.org/x)\n\n::: callout Title\nx\n:::\n\n"
        "::: button\n[Go](/go)\n:::\n\n[^1]: Note.\n"
    )
    cleaned = web(with_html, body)
    with_html.settings = configuration.load(
        with_html.settings.root,
        {"CONNECTOR_SECRET": "a test's own secret, long enough", "CONNECTOR_WRITING_HTML": "false"},
    )

    plain = web(with_html, body)

    assert cleaned.replace("\n", "") == plain.replace("\n", "").replace("&#x27;", "'")


def test_pictures_in_html_are_kept_and_made_absolute(with_html: Desk) -> None:
    with_html.picture()

    cut = with_html.cut('<p><img src="bench.jpg" alt="A bench"></p>\n')

    assert 'src="/images/' in cut.editions.web["everyone"]
    assert 'src="https://letters.example.org/images/' in cut.editions.email["everyone"]


def test_words_in_html_reach_the_text_edition(with_html: Desk) -> None:
    cut = with_html.cut(
        '<p>Fish &amp; <b>chips</b> <a href="https://example.org/chips">here</a></p>\n\n'
        'And <a href="https://example.org/peas">peas</a>.\n\n<style>p { color: red }</style>\n'
    )

    text = cut.editions.text["everyone"]

    assert "Fish & chips here" in text
    assert "peas [2]" in text
    assert "[1] https://example.org/chips" in text
    assert "color" not in text


def test_the_about_page_is_markdown_too(configured: Settings) -> None:
    page = editions.page("I'm *Ines*.\n\n[Write](/subscribe)", configured)

    assert page == '<p>I’m <em>Ines</em>.</p>\n<p><a href="/subscribe">Write</a></p>\n'
