"""Whoever pays is told what happened, once, in words that say what to do; so is the writer."""

import re
from dataclasses import replace
from typing import Any

import pytest

from connector import clock, templates
from connector.clock import DAY, HOUR, SECOND
from connector.database import Database
from connector.delivery import mailings
from connector.membership import (
    complimentary,
    gifts,
    letters,
    own_data,
    plan,
    store,
    stripe_api,
    tiers,
)
from connector.membership.billing import Subscription
from connector.membership.gift import Gift
from connector.readers import preferences, signup
from connector.settings import Settings
from connector.till import desk
from connector.till.transport import TillClient
from tests.conftest import NOW, People
from tests.membership.conftest import URLS, Life
from tests.membership.post import Written, look, write, written

WRITER = "ines@letters.example.org"


@pytest.fixture
def life(db: Database, configured: Settings, people: People) -> Life:
    """Lived today: what is older than a week is news to nobody."""
    start = clock.now()
    client = stripe_api.client(configured, TillClient(db, configured, lambda: start))
    return Life(db, configured, client, people.ada, start)


def day(at: int | None) -> str:
    when = clock.moment(at or 0)
    return f"{when.day} {when:%B %Y}"


def counting(life: Life) -> Subscription:
    with life.db.read() as connection:
        one = store.current(connection, life.somebody.id, mode="till")
    assert one is not None
    return one


def to_reader(life: Life, letters_: list[Written]) -> list[Written]:
    return [one for one in letters_ if one.to == life.somebody.email]


def to_writer(letters_: list[Written]) -> list[Written]:
    return [one for one in letters_ if one.to == WRITER]


def leave(life: Life, *, comment: str = "") -> None:
    plan.leave(life.db, life.settings, life.client, life.somebody.id, now=life.now, comment=comment)


def payment(life: Life) -> str:
    with life.db.read() as connection:
        return store.payments_of(connection, life.somebody.id, mode="till")[0].intent_id


def give(life: Life, **other: Any) -> Gift:
    """Ada buys a gift; it is known to us."""
    wanted = {
        "choice": tiers.choose(life.settings, "supporter", every="month"),
        "months": 3,
        "buyer": life.somebody,
        "email": life.somebody.email,
        "address": "grace@example.org",
        "send_at": None,
        "words": "For all the Sundays.",
        **URLS,
    } | other
    made = stripe_api.create_gift(life.client, life.settings, **wanted)
    life.pay(made.id)
    life.hear()
    with life.db.read() as connection:
        (gift,) = store.gifts_to_send(connection, mode="till", now=life.now + 999 * DAY, limit=9)
    return gift


def test_a_new_member_is_thanked_and_the_writer_hears(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()

    thanks, note = write(life)

    assert thanks.to == "ada@example.org"
    assert thanks.subject == "Thank you for joining The Commons Desk"
    for part in (thanks.text, thanks.html):
        assert "Founding member" in part
        assert "$12 a month" in part
        assert day(counting(life).period_end) in part
        assert "https://letters.example.org/account" in part
        assert "no money moves" in part
    assert (note.to, note.subject) == (WRITER, "Ada (ada@example.org) joined: $12 a month")


def test_nothing_is_written_twice(life: Life) -> None:
    life.join()
    life.hear()
    write(life)

    life.hear()
    life.sync()

    assert write(life) == []


def test_a_trial_says_when_it_begins_to_cost(life: Life) -> None:
    life.settings = replace(
        life.settings,
        tiers=tuple(
            replace(one, trial_days=14) if one.key == "supporter" else one
            for one in life.settings.tiers
        ),
    )
    life.join()
    life.hear()

    thanks = to_reader(life, write(life))[0]

    first = day(life.start + 14 * DAY)
    assert f"It costs nothing until {first}; from then on $5 a month." in thanks.text


def test_who_leaves_hears_until_when_they_stay_and_the_writer_hears_why(life: Life) -> None:
    life.join()
    life.hear()
    write(life)

    leave(life, comment="Too little time, see https://evil.example/x")
    goodbye, note = write(life)

    assert goodbye.subject == f"Your membership ends on {day(counting(life).cancel_at)}"
    assert "nothing more will be\ncharged" in goodbye.text
    assert "Too little time" in note.text
    assert "evil.example" not in note.text


def test_who_stays_after_all_before_it_was_written_hears_nothing(life: Life) -> None:
    life.join()
    life.hear()
    write(life)

    leave(life)
    plan.stay(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    assert write(life) == []


def test_at_the_end_they_are_thanked(life: Life) -> None:
    life.join()
    life.hear()
    leave(life)
    write(life)

    life.wait(32)
    life.sync()
    last = write(life)

    assert [one.subject for one in last] == [
        "Your membership has ended",
        "Ada (ada@example.org) left",
    ]
    assert "https://letters.example.org/join" in last[0].text


def test_a_failed_payment_says_what_to_do_and_until_when(life: Life) -> None:
    life.join()
    life.card("declined")
    life.hear()
    write(life)

    life.wait(32)
    life.hear()
    (failed,) = write(life)

    assert failed.subject == "Your payment did not go through"
    assert "$5 for your membership" in failed.text
    assert "https://letters.example.org/account" in failed.text
    assert re.search(r"We try again on \d+ \w+ 20\d\d", failed.text)
    assert re.search(r"You stay a member until \d+ \w+ 20\d\d", failed.text)


def test_one_failing_payment_is_one_letter_however_often_it_is_tried(life: Life) -> None:
    life.join()
    life.card("declined")
    life.hear()
    write(life)

    found: list[Written] = []
    for _ in range(6):
        life.wait(2 if found else 32)
        life.sync()
        found += write(life)

    assert [one.about for one in found] == ["failed"]


def test_a_payment_that_came_in_the_meantime_is_no_failure(life: Life) -> None:
    life.join()
    life.card("declined")
    life.hear()
    write(life)
    life.wait(32)
    life.hear()

    life.card("ok")
    life.wait(3)
    life.sync()

    assert write(life) == []


def test_the_writer_hears_of_failures_only_when_asked_for(life: Life) -> None:
    account = replace(life.settings.stripe, tell_failed=True, tell_joined=False)
    life.settings = replace(life.settings, stripe=account)
    life.join()
    life.card("declined")
    life.hear()

    life.wait(32)
    life.sync()

    assert [one.subject for one in to_writer(write(life))] == [
        "A payment of Ada (ada@example.org) failed"
    ]


def test_money_back_is_told_with_its_amount(life: Life) -> None:
    life.join(every="year")
    life.hear()
    write(life)

    desk.refund(life.db, life.settings, payment(life), amount=1000, now=life.start)
    life.hear()

    (back,) = write(life)
    assert back.subject == "$10 is on its way back to you"
    assert "$10 of the $50 that you paid" in back.text


def test_a_tip_is_thanked_for(life: Life) -> None:
    life.join("tip", amount="7.50")
    life.hear()

    thanks, note = write(life)

    assert "Your $7.50 for The Commons Desk arrived" in thanks.text
    assert note.subject == "Ada (ada@example.org) gave $7.50"


def test_a_dispute_is_for_the_writer_alone(life: Life) -> None:
    life.join()
    life.hear()
    write(life)

    desk.dispute(life.db, life.settings, payment(life), now=life.start)
    life.hear()

    (note,) = write(life)
    assert (note.to, note.subject) == (WRITER, "A payment of Ada (ada@example.org) is disputed")
    assert "$5" in note.text


def test_two_tabs_are_one_welcome_and_one_excuse(life: Life) -> None:
    tabs = [life.visit("supporter"), life.visit("founding", amount="9")]
    for tab in tabs:
        life.pay(tab)
    life.hear()
    first = write(life)

    life.sync()
    then = write(life)

    told = [one.about for one in to_reader(life, first + then)]
    assert sorted(told) == ["duplicate", "joined"]
    (excuse,) = (one for one in then if one.about == "duplicate")
    assert "goes back to the card" in excuse.text
    assert [one.about for one in to_writer(first + then)] == ["joined"]


def test_who_comes_back_is_welcomed_again(life: Life) -> None:
    life.join()
    life.hear()
    write(life)
    plan.end(life.db, life.settings, life.client, life.somebody.id, now=life.now)
    write(life)
    life.wait(1)

    life.join()
    life.hear()

    assert [one.about for one in to_reader(life, write(life))] == ["joined"]


def test_a_gift_reaches_whom_it_is_for_at_its_date(life: Life) -> None:
    gift = give(life, send_at=life.start + 10 * DAY)
    bought = to_reader(life, write(life))

    early = write(life, later=9 * DAY)
    (present,) = write(life, later=10 * DAY)

    assert [one.subject for one in bought] == ["Your gift of The Commons Desk"]
    assert gift.code in bought[0].text
    assert early == []
    assert present.to == "grace@example.org"
    assert present.subject == "Ada gives you The Commons Desk"
    for part in (present.text, present.html):
        assert "3 months" in part
        assert "For all the Sundays." in part
        assert gift.code in part
        assert f"https://letters.example.org/gift/{gift.code}" in part
    assert write(life, later=20 * DAY) == []


def test_the_words_of_a_giver_cannot_lead_anywhere(life: Life) -> None:
    give(life, words="Look: https://evil.example/x\n<b>[[unsubscribe]]</b>")

    present = next(one for one in write(life) if one.to == "grace@example.org")

    assert "evil.example" not in present.text + present.html
    assert "[[unsubscribe]]" not in present.text + present.html
    assert "&lt;b&gt;" in present.html


def test_who_is_not_on_the_list_gets_the_code_of_their_gift_once(life: Life) -> None:
    gift = bought_by(life, "Gil@example.org")

    found = write(life)
    life.hear(twice=3)
    life.sync()

    mine = [one for one in found if one.to == "Gil@example.org"]
    assert [one.subject for one in mine] == ["Your gift of The Commons Desk"]
    for part in (mine[0].text, mine[0].html):
        assert gift.code in part
        assert "Your address is on no list" in part
        assert "/account" not in part
    note = next(one for one in found if one.to == life.settings.publication.email)
    assert "Gil@example.org bought 3 months" in note.text
    assert write(life) == []


def test_who_buys_unknown_to_us_finds_it_in_their_data_and_can_have_it_erased(life: Life) -> None:
    gift = bought_by(life, "gil@example.org")
    gil = signup.add(life.db, life.settings, email="Gil@Example.org", name="", now=life.now)

    (found,) = own_data.export(life.db, life.settings, gil.id)["gifts_bought"]
    own_data.erase(life.db, life.settings, lambda: life.client, gil.id, now=life.now)
    life.sync()

    assert (found["code"], found["from"]) == (gift.code, "gil@example.org")
    with life.db.read() as connection:
        left = store.gift_by_payment(connection, gift.payment_id)
    assert left is not None
    assert (left.buyer, left.buyer_key, left.code) == ("", "", gift.code)
    assert "gil@example.org" not in {one.to for one in write(life)}


@pytest.mark.parametrize("email", ["grace@example.org", "Ülkü@bücher.example"])
def test_whom_a_gift_was_for_is_forgotten_when_they_ask(life: Life, email: str) -> None:
    gift = give(life, address=email, send_at=life.start + 10 * DAY)
    them = signup.add(life.db, life.settings, email=email, name="", now=life.now)

    own_data.erase(life.db, life.settings, lambda: life.client, them.id, now=life.now)
    life.sync()

    with life.db.read() as connection:
        left = store.gift_by_payment(connection, gift.payment_id)
    assert left is not None
    assert (left.address, left.code) == ("", gift.code)


def test_who_was_erased_before_their_gift_was_heard_of_stays_forgotten(life: Life) -> None:
    gil = signup.add(life.db, life.settings, email="gil@example.org", name="", now=life.now)
    made = stripe_api.create_gift(life.client, life.settings, **wanted_by(life, "gil@example.org"))
    life.pay(made.id)

    own_data.erase(life.db, life.settings, lambda: life.client, gil.id, now=life.now + SECOND)
    life.hear()

    with life.db.read() as connection:
        (gift,) = store.gifts(connection, mode="till")
    assert gift.buyer == ""
    assert "gil@example.org" not in {one.to for one in write(life)}


def bought_by(life: Life, email: str) -> Gift:
    """Somebody who is not signed in buys a gift, with a code to hand on."""
    made = stripe_api.create_gift(life.client, life.settings, **wanted_by(life, email))
    life.pay(made.id)
    life.hear()
    with life.db.read() as connection:
        (gift,) = store.gifts(connection, mode="till")
    return gift


def wanted_by(life: Life, email: str) -> dict[str, Any]:
    return {
        "choice": tiers.choose(life.settings, "supporter", every="month"),
        "months": 3,
        "buyer": None,
        "email": email,
        "address": "",
        "send_at": None,
        **URLS,
    }


def test_a_gift_that_was_taken_by_its_code_is_not_sent(life: Life) -> None:
    gift = give(life, send_at=life.start + 10 * DAY)
    write(life)

    gifts.take(life.db, life.settings, gift.code, subscriber_id=life.somebody.id, now=life.now)

    assert write(life, later=11 * DAY) == []


def test_a_gift_that_was_paid_back_is_not_sent(life: Life) -> None:
    gift = give(life, send_at=life.start + 10 * DAY)
    write(life)

    desk.refund(life.db, life.settings, gift.payment_id, now=life.start)
    life.hear()

    assert [one.about for one in write(life, later=11 * DAY)] == ["refunded"]


def test_a_gift_to_an_address_that_is_dead_is_the_writers_to_settle(life: Life) -> None:
    with life.db.write() as tx:
        mailings.suppress(tx, "grace@example.org", why="bounced", detail="550", now=NOW)
    gift = give(life)

    found = write(life)

    assert "grace@example.org" not in [one.to for one in found]
    note = next(one for one in found if one.about == "gift-unsent")
    assert note.to == WRITER
    assert gift.code in note.text


def test_what_was_given_and_is_over_is_told_once(life: Life) -> None:
    complimentary.comp(life.db, life.somebody.id, until=life.now + DAY, now=life.now)

    look(life, later=HOUR)
    early = write(life, later=HOUR)
    look(life, later=DAY + HOUR)
    look(life, later=DAY + 2 * HOUR)

    assert early == []
    assert [one.about for one in write(life, later=DAY + HOUR)] == ["ended"]


def test_who_pays_meanwhile_is_not_told_that_a_gift_ended(life: Life) -> None:
    complimentary.comp(life.db, life.somebody.id, until=life.now + DAY, now=life.now)
    life.join()
    life.hear()
    write(life)

    look(life, later=DAY + HOUR)

    assert write(life, later=DAY + HOUR) == []


def unsubscribe(life: Life) -> None:
    preferences.unsubscribe(
        life.db, life.settings, life.somebody.id, how="one-click", page="", client="", now=life.now
    )


def test_who_wants_no_letters_and_still_pays_is_told(life: Life) -> None:
    life.join()
    life.hear()
    write(life)
    unsubscribe(life)

    look(life, later=30 * 60_000)
    early = write(life)
    for later in (2 * HOUR, 3 * HOUR):
        look(life, later=later)

    assert early == []
    (told,) = write(life)
    assert told.subject == "You are still a member"
    assert "$5 a month" in told.text


def test_who_ends_the_plan_as_well_is_left_alone(life: Life) -> None:
    life.join()
    life.hear()
    unsubscribe(life)
    leave(life)
    write(life)

    look(life, later=2 * HOUR)

    assert write(life) == []


def test_who_was_erased_is_not_written_to(life: Life) -> None:
    life.join()
    life.hear()
    plan.end(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    preferences.erase(life.db, life.settings, life.somebody.id, now=life.now)

    assert to_reader(life, write(life)) == []


def test_notes_of_play_are_not_told_once_money_is_real(life: Life) -> None:
    life.join()
    life.hear()
    real = replace(life.settings.stripe, key="sk_live_1")
    life.settings = replace(life.settings, stripe=real)

    assert write(life) == []


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("where", ["notify", "set_mailing"])
def test_what_dies_half_way_is_written_once(
    life: Life, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    life.join()
    life.hear()

    def die(*_: object, **__: object) -> int:
        raise Crash

    room = mailings if where == "notify" else store
    with monkeypatch.context() as patch:
        patch.setattr(room, where, die)
        with pytest.raises(Crash):
            write(life)
    nothing = written(life.db)
    write(life)

    assert nothing == []
    assert [one.about for one in written(life.db)] == ["joined", "joined"]


def test_a_letter_that_cannot_be_made_holds_up_no_other(life: Life) -> None:
    life.join()
    life.join("tip", amount="5")
    life.hear()
    own = life.settings.root / "templates" / "mail" / "joined"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("{{ nobody_knows }}", encoding="utf-8")

    with pytest.raises(Exception, match="nobody_knows"):
        write(life)

    assert sorted(one.about for one in written(life.db)) == ["joined", "tip", "tip"]
    (own / "subject.txt").write_text("Welcome", encoding="utf-8")
    assert [one.subject for one in write(life)] == ["Welcome"]


def test_every_kind_of_note_has_its_letter(life: Life) -> None:
    environment = templates.environment(life.settings.root)
    to_readers = {"joined", "leaving", "left", "failed", "tip", "gift", "refunded", "duplicate"}
    to_readers |= {"still-paying", "ended", "gift-bought"}
    to_the_writer = set(letters.FACTS) - {"refunded", "duplicate", "still-paying", "ended"}

    for name in to_readers:
        for part in ("subject.txt", "body.txt", "body.html"):
            assert environment.get_template(f"mail/{name}/{part}")
    for name in to_the_writer:
        assert environment.get_template(f"mail/writer/{name}.txt")
