"""What many connections have to write is one transaction, and nobody waits for it in vain."""

import pytest

from connector import clock
from connector.delivery import book, worker
from tests.delivery import post
from tests.delivery.sending import Office, until


def test_a_line_with_nothing_left_to_send_does_not_wait_for_the_others(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = post.mail(office.db, 100, now=clock.now())
    # Nothing but the lines themselves may ask for more.
    monkeypatch.setattr(book, "GATHER_SECONDS", 3600)
    monkeypatch.setattr(worker, "POLL_SECONDS", 3600)

    async def watch() -> None:
        await until(lambda: post.counts(office.db, mailing) == {"sent": 100})

    office.send_while(watch, connections=16)
