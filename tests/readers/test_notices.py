"""The letters of the list: each says why it came and that doing nothing is fine."""

import dataclasses
from collections.abc import Callable

import jinja2
import pytest

from connector.delivery.letter import Letter
from connector.readers import notices
from connector.settings import Mail, Settings

LINK = "https://letters.example.org/confirm/1.18f.AAAA"
Notice = Callable[..., Letter]
ALL = (notices.confirm, notices.already, notices.onward, notices.welcome)


@pytest.mark.parametrize("notice", ALL)
def test_text_and_html_say_the_same_link(
    notice: Notice, configured: Settings, environment: jinja2.Environment
) -> None:
    letter = notice(environment, configured, link=LINK)

    assert LINK in letter.text
    assert f'href="{LINK}"' in letter.html
    assert "The Commons Desk" in letter.subject
    assert "You get this" in letter.text
    assert "You get this" in letter.html
    assert "12 Harbour Row" in letter.text
    assert "12 Harbour Row" in letter.html


@pytest.mark.parametrize("notice", ALL)
def test_the_text_part_is_set_for_72_columns(
    notice: Notice, configured: Settings, environment: jinja2.Environment
) -> None:
    letter = notice(environment, configured, link=LINK)

    lines = letter.text.splitlines()
    assert max(len(line) for line in lines) <= 72
    assert not any(line.startswith(" ") or line.endswith(" ") for line in lines)


@pytest.mark.parametrize("notice", ALL)
def test_they_come_from_the_notices_address(
    notice: Notice, configured: Settings, environment: jinja2.Environment
) -> None:
    letter = notice(environment, configured, link=LINK)
    chosen = dataclasses.replace(configured, mail=Mail(notices_from="hello@example.net"))

    assert letter.sender == "notices@letters.example.org"
    assert letter.sender_name == "The Commons Desk"
    assert letter.reply_to == "ines@letters.example.org"
    assert notice(environment, chosen, link=LINK).sender == "hello@example.net"


@pytest.mark.parametrize("notice", [notices.confirm, notices.already, notices.onward])
def test_whoever_did_not_ask_need_do_nothing(
    notice: Notice, configured: Settings, environment: jinja2.Environment
) -> None:
    letter = notice(environment, configured, link=LINK)

    assert "If it was not you, there is nothing to do." in letter.text
    assert "If it was not you, there is nothing to do." in letter.html
