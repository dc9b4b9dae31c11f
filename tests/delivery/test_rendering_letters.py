"""From templates to a letter: one line of subject, words as text, styles written into the html."""

from pathlib import Path

import jinja2
import pytest

from connector import templates
from connector.delivery.letter import Letter, one_line, render
from connector.settings import Settings

HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><style>
p { color: #222222 }
@media (prefers-color-scheme: dark) { p { color: #eeeeee !important } }
</style></head><body>
<!--[if mso]><table><tr><td><![endif]-->
<p>Hello {{ who }}, this is {{ publication.title }}.</p>
<a href="[[unsubscribe]]">Stop</a>
</body></html>
"""


@pytest.fixture
def site(root: Path) -> jinja2.Environment:
    """A publication with a letter of its own."""
    folder = root / "templates" / "mail" / "hello"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("  Hello\n   {{ who }}\n", encoding="utf-8")
    (folder / "body.txt").write_text("\nHello {{ who }} at {{ url }}.\n\n", encoding="utf-8")
    (folder / "body.html").write_text(HTML, encoding="utf-8")
    return templates.environment(root)


def write(site: jinja2.Environment, settings: Settings, *, who: str) -> Letter:
    return render(
        site, "hello", settings, sender="ines@example.org", sender_name="Ines\r\n", who=who
    )


def test_a_letter_is_its_three_templates(site: jinja2.Environment, configured: Settings) -> None:
    letter = write(site, configured, who="Ada")

    assert letter.subject == "Hello Ada"
    assert letter.text == "Hello Ada at https://letters.example.org.\n"
    assert "Hello Ada, this is The Commons Desk." in letter.html
    assert (letter.sender, letter.sender_name) == ("ines@example.org", "Ines")


def test_styles_are_inlined_and_only_media_rules_stay(
    site: jinja2.Environment, configured: Settings
) -> None:
    html = write(site, configured, who="Ada").html

    assert '<p style="color: #222222;">' in html
    assert "p { color: #222222 }" not in html
    assert "prefers-color-scheme: dark" in html


def test_what_mail_programs_need_survives(site: jinja2.Environment, configured: Settings) -> None:
    html = write(site, configured, who="Ada").html

    assert "<!--[if mso]><table><tr><td><![endif]-->" in html
    assert 'href="[[unsubscribe]]"' in html


def test_words_are_escaped_in_html_and_left_alone_in_text(
    site: jinja2.Environment, configured: Settings
) -> None:
    letter = write(site, configured, who="Ada & <Bea>")

    assert "Hello Ada &amp; &lt;Bea&gt;" in letter.html
    assert letter.text.startswith("Hello Ada & <Bea>")
    assert letter.subject == "Hello Ada & <Bea>"


def test_a_template_that_names_something_unknown_is_an_error(
    site: jinja2.Environment, configured: Settings
) -> None:
    with pytest.raises(jinja2.UndefinedError):
        render(site, "hello", configured, sender="ines@example.org", sender_name="Ines")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  one \t two\r\nthree ", "one two three"),
        ("bell\x07 null\x00 escape\x1b[0m", "bell null escape[0m"),
        ("half \ud83d a pair", "half  a pair"),
        ("Bonjour\u00a0: ça va\u202f?", "Bonjour\u00a0: ça va\u202f?"),
        ("next\x85line\u2028and\u2029more", "next line and more"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
    ],
)
def test_a_subject_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
