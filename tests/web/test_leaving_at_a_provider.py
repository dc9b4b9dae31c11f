"""A reader unsubscribes at the mail provider: that is their own wish, and no complaint."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from connector import tracing
from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.readers import preferences
from connector.settings import Settings
from connector.web.app import create_app
from tests.conftest import NOW, People
from tests.delivery import post
from tests.inbound.returned import recorded, why
from tests.web import looking, providers
from tests.web.conftest import Clock
from tests.web.providers import Post

ADA = "ada@example.org"
Give = Callable[[Post], Response]
EVERY = pytest.mark.parametrize(
    "name", ["ses", "postmark", "mailgun", "sendgrid", "brevo", "resend"]
)


@pytest.fixture
def provider(configured: Settings, db: Database, turned: Clock, now: int) -> Iterator[Give]:
    settings = replace(configured, hooks=providers.hooks())
    certificate = providers.certificate(now)
    with TestClient(
        create_app(settings, db, fetch=lambda _url: certificate),
        base_url=settings.publication.url,
    ) as somebody:
        yield lambda post: somebody.post(post.path, content=post.body, headers=post.headers)


@pytest.fixture
def written(db: Database, people: People, now: int) -> People:
    """An issue went to everybody on the list, and the relay took it."""
    with db.write() as tx:
        mailing = mailings.announce(
            tx, {"everyone": post.LETTER}, about="bench", once="issue:bench", starts_at=now, now=now
        )
        assert mailing is not None
        audience = """
            SELECT id AS recipient, email AS address, email_key AS address_key, name,
                   'everyone' AS audience FROM subscribers WHERE state = 'active'
        """
        mailings.freeze(tx, mailing, audience=audience, values={}, now=now)
        tx.run("UPDATE deliveries SET state = 'sent', attempts = 1")
    return people


def wishes(now: int, number: int = 1) -> dict[str, Post]:
    """What each provider says when ada unsubscribes there; `number` tells one from another."""
    left = providers.sendgrid_bounce(ADA, number, event="unsubscribe")
    return {
        "ses": providers.ses(providers.ses_left(ADA), number=number),
        "postmark": providers.postmark(
            providers.postmark_changed(ADA, ChangedAt=f"2026-09-2{number}T14:13:20.4Z")
        ),
        "mailgun": providers.mailgun(
            {"event": "unsubscribed", "recipient": ADA}, now=now, number=number
        ),
        "sendgrid": providers.sendgrid([left], now=now),
        "brevo": providers.by_brevo({**providers.brevo(ADA, "unsubscribed"), "id": number}),
        "resend": providers.resend(providers.resend_contact(ADA), now=now, number=number),
    }


def state(db: Database, people: People) -> str:
    return preferences.find(db, people.ada.id).state


@EVERY
def test_they_leave_with_a_consent_that_says_where(
    db: Database, provider: Give, written: People, now: int, name: str
) -> None:
    assert provider(wishes(now)[name]).status_code == 200

    assert state(db, written) == "unsubscribed"
    *_, consent = preferences.export(db, written.ada.id)["consents"]
    assert (consent["what"], consent["how"]) == ("unsubscribed", name)
    assert preferences.find(db, written.bea.id).state == "active"


@EVERY
def test_it_is_no_complaint(
    db: Database, provider: Give, written: People, now: int, name: str
) -> None:
    provider(wishes(now)[name])

    assert why(db, ADA) == ""
    assert [(row.kind, row.effect) for row in recorded(db)] == [("unsubscribe", "unsubscribed")]


@EVERY
def test_the_same_post_again_does_not_send_away_whoever_came_back(
    db: Database, configured: Settings, provider: Give, written: People, name: str
) -> None:
    provider(wishes(NOW)[name])
    preferences.resubscribe(
        db, configured, written.ada.id, how="link", page="", client="", now=NOW + DAY
    )
    before = looking.dump(db)

    assert provider(wishes(NOW)[name]).status_code == 200
    assert looking.dump(db) == before

    provider(wishes(NOW, number=2)[name])
    assert state(db, written) == "unsubscribed"


@EVERY
def test_a_forged_wish_is_refused(
    db: Database, provider: Give, written: People, now: int, name: str
) -> None:
    forged = wishes(now)[name]
    body = forged.body.replace(b"ada@", b"bea@")
    headers = {**forged.headers, "authorization": "Basic Z3Vlc3M6Z3Vlc3M=", "Authorization": "x"}
    if name == "mailgun":  # it signs its token, and nothing else
        body = forged.body.replace(b'"token": "6', b'"token": "7')
    before = looking.dump(db)

    assert provider(replace(forged, headers=headers, body=body)).status_code == 403
    assert looking.dump(db) == before


@EVERY
def test_somebody_who_never_had_a_letter_of_ours_is_nobodys_business(
    db: Database, provider: Give, people: People, now: int, name: str
) -> None:
    assert provider(wishes(now)[name]).status_code == 200

    assert state(db, people) == "active"
    assert [row.effect for row in recorded(db)] == ["unknown"]


@EVERY
def test_somebody_who_was_erased_is_left_in_peace(
    db: Database, configured: Settings, provider: Give, written: People, name: str
) -> None:
    preferences.erase(db, configured, written.ada.id, NOW)

    assert provider(wishes(NOW)[name]).status_code == 200
    assert [row.effect for row in recorded(db)] == ["unknown"]


def other_ways(now: int) -> dict[str, Post]:
    topics = {
        "unsubscribeAll": False,
        "topicSubscriptionStatus": [{"topicName": "letters", "subscriptionStatus": "OptOut"}],
    }
    dropped = providers.sendgrid_bounce(ADA, event="dropped", reason="Unsubscribed Address")
    failed = {**providers.mailgun_failed(ADA), "reason": "suppress-unsubscribe"}
    return {
        "a group of SendGrid": providers.sendgrid(
            [providers.sendgrid_bounce(ADA, event="group_unsubscribe")], now=now
        ),
        "dropped by SendGrid": providers.sendgrid([dropped], now=now),
        "dropped by Mailgun": providers.mailgun(failed, now=now),
        "every topic of SES": providers.ses(providers.ses_left(ADA, **topics)),
    }


@pytest.mark.parametrize("way", list(other_ways(0)))
def test_other_ways_to_say_so(
    db: Database, provider: Give, written: People, now: int, way: str
) -> None:
    provider(other_ways(now)[way])

    assert state(db, written) == "unsubscribed"


def no_wishes(now: int) -> dict[str, Post]:
    kept = [
        {"topicName": "letters", "subscriptionStatus": "OptIn"},
        {"topicName": "offers", "subscriptionStatus": "OptOut"},
    ]
    changed = providers.postmark_changed
    return {
        "one topic of SES": providers.ses(
            providers.ses_left(ADA, unsubscribeAll=False, topicSubscriptionStatus=kept)
        ),
        "by the customer": providers.postmark(changed(ADA, Origin="Customer")),
        "a bounce": providers.postmark(changed(ADA, SuppressionReason="HardBounce")),
        "reactivated": providers.postmark(
            changed(ADA, SuppressSending=False, SuppressionReason=None)
        ),
        "a contact renamed": providers.resend(
            providers.resend_contact(ADA, unsubscribed=False), now=now
        ),
        "subscribed again": providers.sendgrid(
            [providers.sendgrid_bounce(ADA, event="group_resubscribe")], now=now
        ),
    }


@pytest.mark.parametrize("way", list(no_wishes(0)))
def test_what_is_no_wish_to_leave_changes_nothing(
    db: Database, provider: Give, written: People, now: int, way: str
) -> None:
    assert provider(no_wishes(now)[way]).status_code == 200

    assert state(db, written) == "active"
    assert recorded(db) == []


def test_their_trace_tells_it(
    db: Database, configured: Settings, provider: Give, written: People, now: int
) -> None:
    provider(wishes(now)["postmark"])

    told = [event.what for event in tracing.trace(db, configured, ADA, now=now).events]

    assert "They unsubscribed (postmark)." in told
    assert "A report came back: unsubscribe. They were unsubscribed." in told


def test_three_complaints_by_webhook_stop_the_mailing(
    db: Database, provider: Give, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailing = post.mail(db, 900, now=now)
    with db.write() as tx:
        tx.run("UPDATE deliveries SET state = 'sent', attempts = 1")
    spam = [
        providers.sendgrid_bounce(f"reader{at}@example.org", at, event="spamreport")
        for at in (1, 2, 3)
    ]

    with caplog.at_level(logging.WARNING):
        provider(providers.sendgrid(spam, now=now))

    assert post.look(db, mailing).why.startswith("3 of 900 letters were called spam")
    assert "It was paused." in caplog.text
