"""Mail providers report bounces and complaints; whoever cannot prove to be one changes nothing."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from httpx2 import Response
from starlette.testclient import TestClient

from connector.clock import DAY, MINUTE, SECOND
from connector.database import Database
from connector.errors import DatabaseUnavailable, Unavailable
from connector.settings import Hooks, Settings
from connector.web.app import create_app
from tests.inbound import returned
from tests.inbound.returned import Sent, recorded, why
from tests.web import looking, providers
from tests.web.conftest import Clock
from tests.web.providers import Post

ADDRESS = "reader1@example.org"
Give = Callable[[Post], Response]


class Amazon:
    """Amazon's own hosts, as far as we ask them."""

    def __init__(self, certificate: bytes) -> None:
        self.pages = {providers.CERTIFICATE: certificate}
        self.asked: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise Unavailable("Amazon cannot be asked now.")
        return self.pages[url]


@pytest.fixture
def amazon(now: int) -> Amazon:
    return Amazon(providers.certificate(now))


@pytest.fixture
def provider(configured: Settings, db: Database, turned: Clock, amazon: Amazon) -> Iterator[Give]:
    """`provider(post)` posts a report to a site that knows every provider's secret."""
    settings = replace(configured, hooks=providers.hooks())
    with TestClient(
        create_app(settings, db, fetch=amazon.fetch), base_url=settings.publication.url
    ) as somebody:
        yield lambda post: somebody.post(post.path, content=post.body, headers=post.headers)


@pytest.fixture
def sent(db: Database, configured: Settings, now: int) -> Sent:
    """A letter to reader1 that the relay took."""
    return returned.letter(db, configured, now=now)


def bounces(now: int) -> dict[str, Post]:
    return {
        "ses": providers.ses(providers.ses_bounce(ADDRESS)),
        "postmark": providers.postmark(providers.postmark_bounce(ADDRESS)),
        "mailgun": providers.mailgun(providers.mailgun_failed(ADDRESS), now=now),
        "sendgrid": providers.sendgrid([providers.sendgrid_bounce(ADDRESS)], now=now),
        "brevo": providers.by_brevo(providers.brevo(ADDRESS)),
        "resend": providers.resend(providers.resend_bounced(ADDRESS), now=now),
    }


def complaints(now: int) -> dict[str, Post]:
    spam = providers.postmark_bounce(ADDRESS, "SpamComplaint") | {"RecordType": "SpamComplaint"}
    complained = {"event": "complained", "recipient": ADDRESS}
    reported = providers.sendgrid_bounce(ADDRESS, event="spamreport")
    return {
        "ses": providers.ses(providers.ses_complaint(ADDRESS)),
        "postmark": providers.postmark(spam),
        "mailgun": providers.mailgun(complained, now=now),
        "sendgrid": providers.sendgrid([reported], now=now),
        "brevo": providers.by_brevo(providers.brevo(ADDRESS, "spam")),
        "resend": providers.resend(providers.resend_bounced(ADDRESS, "email.complained"), now=now),
    }


def forgeries(now: int) -> dict[str, Post]:
    """The same reports by somebody who does not know the secret."""
    theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "ses": providers.ses(providers.ses_bounce(ADDRESS), key=theirs),
        "postmark": providers.postmark(providers.postmark_bounce(ADDRESS), password="a guess"),
        "mailgun": providers.mailgun(providers.mailgun_failed(ADDRESS), now=now, key="a guess"),
        "sendgrid": providers.sendgrid(
            [providers.sendgrid_bounce(ADDRESS)],
            now=now,
            key=ec.generate_private_key(ec.SECP256R1()),
        ),
        "brevo": providers.by_brevo(providers.brevo(ADDRESS), token="a guess"),
        "resend": providers.resend(providers.resend_bounced(ADDRESS), now=now, secret="whsec_AAAA"),
    }


EVERY = pytest.mark.parametrize(
    "name", ["ses", "postmark", "mailgun", "sendgrid", "brevo", "resend"]
)


@EVERY
def test_a_hard_bounce_stops_the_letters(
    db: Database, provider: Give, sent: Sent, now: int, name: str
) -> None:
    answer = provider(bounces(now)[name])

    assert answer.status_code == 200
    assert why(db) == "bounced"
    [row] = recorded(db)
    assert (row.source, row.effect, row.delivery_id) == (name, "suppressed", sent.delivery)


@EVERY
def test_a_complaint_stops_the_letters(
    db: Database, provider: Give, sent: Sent, now: int, name: str
) -> None:
    answer = provider(complaints(now)[name])

    assert answer.status_code == 200
    assert why(db) == "complained"


@EVERY
def test_a_forged_report_is_refused_with_a_reason_and_changes_nothing(
    db: Database, provider: Give, now: int, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = looking.dump(db)

    with caplog.at_level(logging.WARNING):
        answer = provider(forgeries(now)[name])

    assert answer.status_code == 403
    assert looking.dump(db) == before
    assert f"A report to /hooks/{name} was refused: " in caplog.text


@EVERY
def test_a_report_that_proves_nothing_at_all_is_refused(
    db: Database, provider: Give, now: int, name: str
) -> None:
    for body in (b"", b"{}", b"[]", b"null", b"\xff", b"[" * 200_000, b'{"signature": 1}'):
        assert provider(Post(f"/hooks/{name}", {}, body)).status_code == 403


@EVERY
def test_the_same_report_twice_counts_once(
    db: Database, provider: Give, sent: Sent, now: int, name: str
) -> None:
    provider(bounces(now)[name])
    before = looking.dump(db)

    assert provider(bounces(now)[name]).status_code == 200
    assert looking.dump(db) == before

    assert provider(complaints(now)[name]).status_code == 200
    assert "suppressed" not in [row.effect for row in recorded(db)[1:]]


@EVERY
def test_a_report_about_a_stranger_is_written_down_without_the_address(
    db: Database, provider: Give, now: int, name: str
) -> None:
    assert provider(bounces(now)[name]).status_code == 200

    [row] = recorded(db)
    assert (row.effect, row.address_key) == ("unknown", "")
    assert why(db) == ""


@EVERY
def test_a_provider_whose_secret_we_do_not_know_finds_nothing_here(
    configured: Settings, db: Database, turned: Clock, now: int, name: str
) -> None:
    settings = replace(configured, hooks=Hooks())
    post = bounces(now)[name]

    with TestClient(create_app(settings, db), base_url=settings.publication.url) as somebody:
        answer = somebody.post(post.path, content=post.body, headers=post.headers)

    assert answer.status_code == 404


@EVERY
def test_a_report_that_is_too_large_is_not_read(
    db: Database, provider: Give, now: int, name: str
) -> None:
    post = bounces(now)[name]

    answer = provider(replace(post, body=post.body + b" " * 20_000_000))

    assert answer.status_code == 413
    assert recorded(db) == []


@EVERY
def test_a_report_waits_while_the_database_cannot_take_it(
    db: Database, provider: Give, now: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise DatabaseUnavailable("The database /srv/subscribers.db is busy.")

    monkeypatch.setattr(db, "write", refuse)

    assert provider(bounces(now)[name]).status_code == 503


@pytest.mark.parametrize("path", ["/hooks/secret", "/hooks/_ses", "/hooks/ses_topic", "/hooks/"])
def test_there_is_no_other_provider(provider: Give, path: str) -> None:
    assert provider(Post(path, {}, b"{}")).status_code == 404


def test_a_report_with_our_envelope_address_is_about_that_letter(
    db: Database, provider: Give, configured: Settings, now: int
) -> None:
    first = returned.letter(db, configured, now=now)
    returned.letter(db, configured, now=now + DAY, once="issue:lamps")

    provider(providers.ses(providers.ses_bounce("someone.else@example.org", source=first.verp)))

    assert recorded(db)[0].delivery_id == first.delivery
    assert why(db) == "bounced"


def test_a_report_with_our_message_id_is_about_that_letter(
    db: Database, provider: Give, configured: Settings, now: int
) -> None:
    first = returned.letter(db, configured, now=now)
    returned.letter(db, configured, now=now + DAY, once="issue:lamps")
    event = providers.mailgun_failed("moved@example.org")
    event["message"]["headers"]["message-id"] = first.message_id.strip("<>")

    provider(providers.mailgun(event, now=now))

    assert recorded(db)[0].delivery_id == first.delivery


# Soft bounces and what is no bounce


@pytest.mark.parametrize(
    "write",
    [
        lambda _now: providers.ses(
            providers.ses_bounce(ADDRESS, status="4.2.2", bounceType="Transient")
        ),
        lambda _now: providers.postmark(providers.postmark_bounce(ADDRESS, "SoftBounce")),
        lambda now: providers.mailgun(
            providers.mailgun_failed(ADDRESS, message="5.2.2 over quota"), now=now
        ),
        lambda now: providers.sendgrid(
            [providers.sendgrid_bounce(ADDRESS, status="5.2.2", reason="552 full")], now=now
        ),
        lambda _now: providers.by_brevo(providers.brevo(ADDRESS, "soft_bounce")),
    ],
)
def test_a_soft_bounce_is_counted(
    db: Database, provider: Give, sent: Sent, now: int, write: Callable[[int], Post]
) -> None:
    assert provider(write(now)).status_code == 200

    assert [row.effect for row in recorded(db)] == ["scored"]
    assert why(db) == ""


@pytest.mark.parametrize(
    "write",
    [
        lambda _now: providers.ses(providers.ses_bounce(ADDRESS, status="5.7.1")),
        lambda _now: providers.ses(
            providers.ses_bounce(ADDRESS, status="", bounceSubType="ContentRejected")
        ),
        lambda _now: providers.ses(providers.ses_complaint(ADDRESS, feedback="not-spam")),
        lambda _now: providers.ses({"notificationType": "Delivery", "delivery": {}}),
        lambda _now: providers.ses("Successfully validated SNS topic for Amazon SES."),
        lambda _now: providers.postmark(providers.postmark_bounce(ADDRESS, "SpamNotification")),
        lambda _now: providers.postmark(providers.postmark_bounce(ADDRESS, "AutoResponder")),
        lambda _now: providers.postmark(providers.postmark_bounce(ADDRESS, "Transient")),
        lambda _now: providers.postmark({"RecordType": "Delivery", "Recipient": ADDRESS}),
        lambda now: providers.mailgun(
            providers.mailgun_failed(ADDRESS, severity="temporary"), now=now
        ),
        lambda now: providers.mailgun({"event": "opened", "recipient": ADDRESS}, now=now),
        lambda now: providers.sendgrid(
            [providers.sendgrid_bounce(ADDRESS, event="deferred")], now=now
        ),
        lambda now: providers.sendgrid(
            [providers.sendgrid_bounce(ADDRESS, bounce_classification="Reputation")], now=now
        ),
        lambda _now: providers.by_brevo(providers.brevo(ADDRESS, "deferred")),
        lambda now: providers.resend(providers.resend_bounced(ADDRESS, "email.delivered"), now=now),
    ],
)
def test_what_says_nothing_against_a_reader_changes_nothing(
    db: Database, provider: Give, sent: Sent, now: int, write: Callable[[int], Post]
) -> None:
    assert provider(write(now)).status_code == 200

    assert {row.effect for row in recorded(db)} <= {"ignored"}
    assert why(db) == ""


def test_sendgrid_reports_many_at_once(
    db: Database, provider: Give, configured: Settings, now: int
) -> None:
    returned.letter(db, configured, now=now, people=3)
    events = [providers.sendgrid_bounce(f"reader{at}@example.org", at) for at in (1, 2, 3)]

    provider(providers.sendgrid(events, now=now))

    assert [why(db, f"reader{at}@example.org") for at in (1, 2, 3)] == ["bounced"] * 3


# Replays


def test_mailguns_token_opens_the_door_once_whatever_comes_with_it(
    db: Database, provider: Give, sent: Sent, now: int
) -> None:
    provider(providers.mailgun({"event": "opened", "recipient": ADDRESS}, now=now))

    provider(providers.mailgun(providers.mailgun_failed(ADDRESS), now=now))

    assert why(db) == ""


@pytest.mark.parametrize(("name", "minutes"), [("mailgun", 16), ("resend", 6)])
def test_a_report_signed_long_ago_is_refused(
    provider: Give, turned: Clock, now: int, name: str, minutes: int
) -> None:
    post = bounces(now)[name]
    turned.now = now + minutes * MINUTE

    assert provider(post).status_code == 403


def test_a_signature_fits_only_what_it_was_made_for(
    db: Database, provider: Give, sent: Sent, now: int
) -> None:
    for name in ("sendgrid", "resend"):
        post = bounces(now)[name]
        other = replace(post, body=post.body.replace(b"550", b"551").replace(b"Pe", b"PE"))
        assert provider(other).status_code == 403
    late = bounces(now)["resend"]
    late.headers["svix-timestamp"] = str(now // SECOND + 1)
    assert provider(late).status_code == 403


# Amazon


@pytest.mark.parametrize("version", ["1", "2"])
def test_amazon_signs_in_two_ways(db: Database, provider: Give, sent: Sent, version: str) -> None:
    post = providers.ses(providers.ses_bounce(ADDRESS), version=version)

    assert provider(post).status_code == 200
    assert why(db) == "bounced"


def test_amazons_certificate_is_fetched_once(provider: Give, amazon: Amazon, sent: Sent) -> None:
    for number in range(3):
        provider(providers.ses(providers.ses_bounce(ADDRESS), number=number))

    assert amazon.asked == [providers.CERTIFICATE]


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://s3.eu-west-1.amazonaws.com/mine/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/mine/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://sns.a.b.amazonaws.com/SimpleNotificationService-1.pem",
        "https://127.0.0.1/SimpleNotificationService-1.pem",
    ],
)
def test_a_certificate_from_anywhere_else_is_not_even_fetched(
    provider: Give, amazon: Amazon, now: int, url: str
) -> None:
    theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    amazon.pages[url] = providers.certificate(now, theirs)

    post = providers.ses(providers.ses_bounce(ADDRESS), key=theirs, SigningCertURL=url)

    assert provider(post).status_code == 403
    assert amazon.asked == []


@pytest.mark.parametrize("days", [-2, 31])
def test_a_certificate_outside_its_time_proves_nothing(
    provider: Give, turned: Clock, now: int, days: int
) -> None:
    turned.now = now + days * DAY

    assert provider(providers.ses(providers.ses_bounce(ADDRESS))).status_code == 403


def test_another_topic_is_not_ours(provider: Give, amazon: Amazon) -> None:
    other = providers.ses(providers.ses_bounce(ADDRESS), TopicArn=providers.TOPIC + "2")

    assert provider(other).status_code == 403
    assert amazon.asked == []


def subscription(url: str) -> Post:
    return providers.ses(
        "You have chosen to subscribe to the topic.",
        Type="SubscriptionConfirmation",
        Token="2336412f37",
        SubscribeURL=url,
    )


def test_our_own_topic_is_confirmed(provider: Give, amazon: Amazon) -> None:
    url = (
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        f"&TopicArn={providers.TOPIC}&Token=2336412f37"
    )
    amazon.pages[url] = b"<ConfirmSubscriptionResponse/>"

    assert provider(subscription(url)).status_code == 200
    assert amazon.asked == [providers.CERTIFICATE, url]


def test_a_confirmation_elsewhere_is_not_followed(provider: Give, amazon: Amazon) -> None:
    assert provider(subscription("https://169.254.169.254/?Action=Confirm")).status_code == 403
    assert amazon.asked == [providers.CERTIFICATE]


def test_amazon_tries_again_when_its_certificate_cannot_be_had(
    provider: Give, amazon: Amazon
) -> None:
    amazon.pages.clear()

    assert provider(providers.ses(providers.ses_bounce(ADDRESS))).status_code == 503
