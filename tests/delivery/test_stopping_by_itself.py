"""A mailing that is refused again and again stops by itself, and says why."""

import pytest

from connector import clock
from connector.delivery import mailings
from connector.delivery.alarm import Alarm
from connector.delivery.outcome import Outcome, judge
from tests.delivery import post
from tests.delivery.sending import Office

SENT = Outcome("sent", "250 ok")
NOBODY = judge(550, "5.1.1 No such user", stage="rcpt")
POLICY = judge(550, "5.7.26 Unauthenticated", stage="content")


def test_three_refusals_of_the_letter_itself_are_enough() -> None:
    alarm = Alarm()

    assert [bool(alarm.hear(POLICY)) for _ in range(3)] == [False, False, True]


def test_a_few_bad_addresses_are_not() -> None:
    alarm = Alarm()

    heard = [alarm.hear(NOBODY if number % 10 == 0 else SENT) for number in range(500)]

    assert not any(heard)


def test_a_list_of_bad_addresses_is() -> None:
    alarm = Alarm()

    heard = [alarm.hear(NOBODY if number % 2 == 0 else SENT) for number in range(100)]

    assert any("of the last" in why for why in heard)


@pytest.mark.parametrize(
    "outcome", [Outcome("deferred"), Outcome("unreached"), Outcome("uncertain")]
)
def test_what_may_still_arrive_is_not_counted(outcome: Outcome) -> None:
    alarm = Alarm()

    assert not any(alarm.hear(outcome) for _ in range(500))


def test_the_mailing_is_paused_with_the_relays_own_words(office: Office) -> None:
    office.fake.answer("CONTENT", "550 5.7.26 Unauthenticated email is not accepted")
    mailing = post.mail(office.db, 300, now=clock.now())

    office.send()

    paused = post.look(office.db, mailing)
    assert mailings.state_of(paused) == "paused"
    assert "550 5.7.26 Unauthenticated" in paused.why
    assert post.counts(office.db, mailing)["queued"] > 200


def test_a_mailing_that_goes_on_is_listened_to_anew(office: Office) -> None:
    office.fake.answer("CONTENT", "550 5.7.1 Not now", times=5)
    mailing = post.mail(office.db, 60, now=clock.now())
    office.send(connections=1)
    mailings.resume(office.db, mailing, now=clock.now())

    office.fake.obey()
    office.send(connections=1)

    counts = post.counts(office.db, mailing)
    assert counts["sent"] + counts["refused"] == 60
    assert counts["refused"] <= 5
