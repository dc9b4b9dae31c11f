"""The link in a confirmation letter: it knows whom it confirms and when it was made.

It holds a number and its proof, never an address; after seven days it opens nothing.
"""

from connector.clock import DAY
from connector.delivery import links as personal
from connector.errors import InvalidLink
from connector.settings import Settings

PURPOSE = "confirm"
AGE = 7 * DAY


def confirm(settings: Settings, subscriber_id: int, *, now: int) -> str:
    """Where this subscriber confirms, for the next seven days."""
    token = settings.keys.sign_at(PURPOSE, str(subscriber_id), now=now)
    return f"{personal.site(settings)}/confirm/{token}"


def confirming(settings: Settings, token: str, *, now: int) -> int:
    """Whom a token confirms; raises InvalidLink, or ExpiredLink with the time it was made."""
    if not token.isascii():
        raise InvalidLink("This link is not one of ours, or part of it is missing.")
    return int(settings.keys.verify_within(PURPOSE, token, age=AGE, now=now))
