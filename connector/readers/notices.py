"""The letters the list itself writes: please confirm, welcome, sign in, another address.

None of them holds a word that a stranger typed, not even a name.
"""

import jinja2

from connector.delivery import letter
from connector.delivery.letter import Letter
from connector.readers.links import Side
from connector.settings import Settings


def confirm(environment: jinja2.Environment, settings: Settings, *, link: str) -> Letter:
    """Somebody asked for letters to this address; following `link` says it was the reader."""
    return _render(environment, settings, "confirm", link=link)


def already(environment: jinja2.Environment, settings: Settings, *, link: str) -> Letter:
    """Somebody asked for letters to an address that gets them; `link` shows their preferences."""
    return _render(environment, settings, "already", link=link)


def onward(environment: jinja2.Environment, settings: Settings, *, link: str) -> Letter:
    """Somebody on the list wants to go on with what they chose; `link` knows what that was."""
    return _render(environment, settings, "onward", link=link)


def welcome(environment: jinja2.Environment, settings: Settings, *, link: str) -> Letter:
    """You are on the list now; `link` shows their preferences."""
    return _render(environment, settings, "welcome", link=link)


def sign_in(environment: jinja2.Environment, settings: Settings, *, link: str, code: str) -> Letter:
    """Somebody asked to sign in with this address; `link` or `code` does it, once."""
    return _render(environment, settings, "signin", link=link, code=code)


def moving(environment: jinja2.Environment, settings: Settings, *, link: str, side: Side) -> Letter:
    """Somebody who reads here wants another address; `link` asks the one at this `side`."""
    return _render(environment, settings, "moving", link=link, side=side)


def taken(environment: jinja2.Environment, settings: Settings, *, link: str) -> Letter:
    """A reader wanted to move to this address, which gets letters already."""
    return _render(environment, settings, "taken", link=link)


def _render(
    environment: jinja2.Environment, settings: Settings, name: str, *, link: str, **words: str
) -> Letter:
    return letter.render(
        environment,
        name,
        settings,
        sender=settings.mail.notices_from or f"notices@{settings.domain}",
        sender_name=settings.publication.title,
        reply_to=settings.publication.email,
        link=link,
        **words,
    )
