"""Nobody goes on paying without knowing it, and nobody is erased who would be charged again."""

import json
from collections.abc import Callable
from html import unescape

import pytest
from starlette.testclient import TestClient

from connector.database import Database
from connector.errors import NotFound
from connector.membership import letters, notes, own_data, plan, store, stripe_api, sweep
from connector.readers import preferences
from connector.readers import store as readers
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.till import desk
from tests.conftest import NOW, People
from tests.web.conftest import Clock
from tests.web.looking import dump, leaving, own
from tests.web.plans import Member, member

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
QUESTION = "And your plan?"
Where = Callable[[Member], str]


@pytest.fixture
def ada(
    client: TestClient, db: Database, configured: Settings, people: People, turned: Clock
) -> Member:
    """A founding member at $12 a month."""
    founder = member(client, db, configured, people.ada, turned)
    founder.join("founding", amount="12")
    founder.hear()
    return founder


def link_of(ada: Member) -> str:
    return leaving(ada.settings, ada.somebody.id)


def page_of(ada: Member) -> str:
    return own(ada.settings, ada.somebody.id)


def now_of(ada: Member) -> Subscriber:
    return preferences.find(ada.db, ada.somebody.id)


def is_gone(ada: Member) -> bool:
    try:
        return not now_of(ada)
    except NotFound:
        return True


def told_of_paying(ada: Member) -> list[str]:
    """What is owed a day after they left the list."""
    later = NOW + notes.FRESH // 2
    letters.look(ada.db, ada.settings, at=later, now=later)
    with ada.db.read() as connection:
        owed = store.owed(connection, limit=100)
    return [one.what for one in owed if one.what == "still-paying"]


def test_who_pays_and_unsubscribes_is_asked_what_becomes_of_the_plan(ada: Member) -> None:
    answer = ada.post(link_of(ada))

    assert now_of(ada).state == "unsubscribed"
    assert QUESTION in answer.text
    assert "You pay $12 a month" in answer.text
    assert "End it on 21 October 2026" in answer.text
    assert not ada.plan.is_leaving


def test_who_reads_for_free_is_asked_nothing(
    client: TestClient, configured: Settings, people: People
) -> None:
    answers = [
        client.post(leaving(configured, people.ada.id)),
        client.get(own(configured, people.ada.id)),
    ]

    assert all(QUESTION not in answer.text for answer in answers)


@pytest.mark.parametrize("where", [link_of, page_of])
def test_the_plan_ends_when_they_say_so(ada: Member, where: Where) -> None:
    path = where(ada)
    ada.post(link_of(ada))

    answers = [ada.post(f"{path}/plan", plan="end") for _ in range(2)]
    after = ada.ask(answers[0].headers["location"])

    assert answers[0].headers["location"] == f"{path}?plan=leaving"
    assert answers[1].status_code == 303
    assert ada.plan.is_leaving
    assert "Your plan ends on 21 October 2026" in after.text
    assert QUESTION not in after.text
    assert told_of_paying(ada) == []


@pytest.mark.parametrize("where", [link_of, page_of])
def test_they_may_pay_on_without_letters(ada: Member, where: Where) -> None:
    path = where(ada)
    ada.post(link_of(ada))

    answer = ada.post(f"{path}/plan", plan="keep")
    after = ada.ask(answer.headers["location"])

    assert "Your plan goes on" in after.text
    assert not ada.plan.is_leaving
    assert told_of_paying(ada) == []


def test_a_mail_program_unsubscribes_at_once_and_a_letter_tells_of_the_plan(
    ada: Member, client: TestClient
) -> None:
    client.cookies.clear()
    desk.fail_next(ada.db, "api error", times=20)  # stopping asks nobody

    answer = ada.post(link_of(ada), **ONE_CLICK)

    assert answer.status_code == 200
    assert now_of(ada).state == "unsubscribed"
    assert not ada.plan.is_leaving
    assert told_of_paying(ada) == ["still-paying"]


def test_their_own_pages_ask_until_they_have_answered(ada: Member) -> None:
    ada.post(link_of(ada))

    assert QUESTION in ada.ask(page_of(ada)).text
    assert "You get no letters, and your plan goes on." in unescape(ada.ask("/account").text)


def test_an_answer_that_is_none_changes_nothing(ada: Member) -> None:
    ada.post(link_of(ada))

    answer = ada.post(f"{link_of(ada)}/plan", plan="perhaps")

    assert answer.headers["location"] == link_of(ada)
    assert not ada.plan.is_leaving


def test_another_link_opens_nobody_elses_plan(ada: Member, people: People) -> None:
    answers = [
        ada.post(f"{leaving(ada.settings, people.bea.id)}/plan", plan="end"),
        ada.post(f"{link_of(ada)}x/plan", plan="end"),
    ]

    assert [answer.status_code for answer in answers] == [303, 404]
    assert not ada.plan.is_leaving


def test_erasing_ends_the_plan_first(ada: Member) -> None:
    subscription = ada.plan.id

    sure = ada.ask(f"{page_of(ada)}/erase")
    answers = [ada.post(f"{page_of(ada)}/erase") for _ in range(2)]
    there = stripe_api.subscription(ada.client, subscription)

    assert "Your plan (Founding member, $12 a month) ends at once" in sure.text
    assert [answer.headers["location"] for answer in answers] == ["/goodbye", "/goodbye"]
    assert there["status"] == "canceled"
    assert is_gone(ada)
    assert not any("ada@example.org" in row for row in dump(ada.db) if row.startswith("gifts"))


def test_nobody_is_erased_who_would_go_on_being_charged(ada: Member) -> None:
    desk.fail_next(ada.db, "api error", times=20)

    answer = ada.post(f"{page_of(ada)}/erase")

    assert answer.status_code == 503
    assert "nothing was erased yet" in answer.text
    assert not is_gone(ada)
    assert ada.plan.is_live


def test_erasing_ends_what_was_not_heard_of_yet(
    client: TestClient, db: Database, configured: Settings, people: People, turned: Clock
) -> None:
    ada = member(client, db, configured, people.ada, turned)
    ada.join("founding", amount="12")  # and no event of it has come

    ada.post(f"{page_of(ada)}/erase")
    there = list(stripe_api.subscriptions(ada.client))

    assert [one["status"] for one in there] == ["canceled"]
    assert is_gone(ada)


def test_who_never_paid_is_erased_without_asking_anybody(
    client: TestClient, db: Database, configured: Settings, people: People
) -> None:
    desk.fail_next(db, "api error", times=20)

    answer = client.post(f"{own(configured, people.ada.id)}/erase")

    assert answer.headers["location"] == "/goodbye"


def test_all_that_is_kept_has_the_money_in_it(ada: Member) -> None:
    ada.post("/account/cancel", reason="Too dear")

    everything = json.loads(ada.ask(f"{page_of(ada)}/data").text)

    assert everything["subscriber"]["email"] == "ada@example.org"
    assert everything["subscriptions"][0]["amount"] == "12 USD"
    assert everything["subscriptions"][0]["reason"] == "Too dear"
    assert everything["payments"][0]["amount"] == "12 USD"
    assert everything["payments"][0]["receipt"].startswith("https://letters.example.org/till/")
    assert (everything["refunds"], everything["gifts_bought"]) == ([], [])


def test_money_of_nobody_else_is_in_it(ada: Member, people: People) -> None:
    found = own_data.export(ada.db, ada.settings, people.bea.id)

    assert (found["subscriptions"], found["payments"]) == ([], [])


def customer_of(ada: Member) -> str:
    return str(ada.client.v1.customers.retrieve(ada.plan.customer_id).email)


def move(ada: Member) -> None:
    with ada.db.write() as tx:
        readers.set_address(
            tx, ada.somebody.id, email="Ada@new.example.org", email_key="ada@new.example.org"
        )


def test_receipts_go_where_somebody_reads_now(ada: Member) -> None:
    move(ada)

    plan.follow_address(ada.db, ada.settings, lambda: ada.client, now_of(ada))

    assert customer_of(ada) == "Ada@new.example.org"


def test_who_moved_while_stripe_was_away_is_followed_at_night(ada: Member) -> None:
    move(ada)
    desk.fail_next(ada.db, "api error", times=1)
    plan.follow_address(ada.db, ada.settings, lambda: ada.client, now_of(ada))
    before = customer_of(ada)

    sweep.sync(ada.db, ada.settings, ada.client, now=ada.now)

    assert before == "ada@example.org"
    assert customer_of(ada) == "Ada@new.example.org"
