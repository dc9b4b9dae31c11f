"""Events may come in any order, twice, or never: after one sync we say what Stripe says."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connector import clock, database
from connector import settings as publication
from connector.database import Database
from connector.errors import NotFound, Refused
from connector.membership import plan, store, stripe_api, tiers
from connector.membership.notes import FRESH
from connector.readers import signup
from connector.till import desk
from connector.till.transport import TillClient
from tests.conftest import NOW, TOML
from tests.membership.conftest import URLS, Life
from tests.membership.post import write, written

# A life takes a second or two; to make it smaller takes minutes.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
TABLES = ("memberships", "subscriptions", "payments", "refunds", "disputes")
HEARING = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["as made", "shuffled"]),
        "twice": st.integers(0, 3),
        "drop": st.integers(0, 6),
        "seed": st.integers(0, 999),
    }
)


def lived(root: Any, start: int = NOW) -> Life:
    (root / "connector.toml").write_text(TOML, encoding="utf-8")
    told = publication.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough"})
    db = database.open(told.database)
    ada = signup.add(db, told, email="ada@example.org", name="Ada", now=NOW)
    client = stripe_api.client(told, TillClient(db, told, lambda: start))
    return Life(db, told, client, ada, start)


def _two_tabs(life: Life) -> None:
    tabs = [life.visit("supporter"), life.visit("founding", amount="9")]
    for tab in tabs:
        life.pay(tab)


def _raise(life: Life) -> None:
    choice = tiers.choose(life.settings, "founding", every="month", amount="30")
    plan.change(
        life.db,
        life.settings,
        life.client,
        life.somebody.id,
        choice,
        previewed_at=life.now,
        now=life.now,
    )


def _by(verb: Callable[..., Any]) -> Callable[[Life], Any]:
    return lambda life: verb(life.db, life.settings, life.client, life.somebody.id, now=life.now)


def _decide(life: Life) -> None:
    with life.db.read() as connection:
        open_ = store.disputes(connection, mode="till")
    dispute = open_[0].id if open_ else "dp_none"
    desk.decide(life.db, life.settings, dispute, won=True, now=life.start)


def _give(life: Life) -> None:
    """Somebody gives a gift without signing in."""
    made = stripe_api.create_gift(
        life.client,
        life.settings,
        choice=tiers.choose(life.settings, "supporter", every="month"),
        months=3,
        buyer=None,
        email="gil@example.org",
        address="",
        send_at=None,
        **URLS,
    )
    life.pay(made.id)


DEEDS: dict[str, Callable[[Life], Any]] = {
    "join": lambda life: life.join(),
    "join founding": lambda life: life.join("founding", every="year", amount="25"),
    "tip": lambda life: life.join("tip", amount="5"),
    "gift": _give,
    "two tabs": _two_tabs,
    "renew": lambda life: life.wait(31),
    "card fails": lambda life: life.card("declined"),
    "card works": lambda life: life.card("ok"),
    "raise": _raise,
    "leave": _by(plan.leave),
    "stay": _by(plan.stay),
    "pause": _by(plan.pause),
    "go on": _by(plan.go_on),
    "end": _by(plan.end),
    "refund": lambda life: desk.refund(
        life.db, life.settings, _paid(life.db, life.somebody.id), amount=100, now=life.start
    ),
    "dispute": lambda life: desk.dispute(
        life.db, life.settings, _paid(life.db, life.somebody.id), now=life.start
    ),
    "decide": _decide,
}


def do(life: Life, deed: str) -> None:
    """One thing that may happen in a life; what cannot happen now does not."""
    with contextlib.suppress(Refused, NotFound):
        DEEDS[deed](life)


def _paid(db: Database, who: int) -> str:
    with db.read() as connection:
        payments = store.payments_of(connection, who, mode="till")
    return next((one.intent_id for one in payments if one.status == "paid"), "pi_none")


def told(db: Database) -> dict[str, Any]:
    """What we say, without how often we asked and how rows are numbered."""
    left_out = {"memberships": "subscriber_id, tier, kind, started_at, ends_at"}
    nouns = {
        "subscriptions": store.SUBSCRIPTION,
        "payments": store.PAYMENT,
        "refunds": store.REFUND,
        "disputes": store.DISPUTE,
    }
    with db.read() as connection:
        return {
            table: sorted(
                connection.rows(nouns.get(table, f"SELECT {left_out.get(table)} FROM {table}")),
                key=repr,
            )
            for table in TABLES
        }


def forget(db: Database) -> None:
    with db.write() as tx:
        for table in TABLES:
            tx.run(f"DELETE FROM {table}")


@given(
    deeds=st.lists(
        st.tuples(st.sampled_from(sorted(DEEDS)), st.none() | HEARING), min_size=1, max_size=12
    )
)
@settings(max_examples=6)
def test_a_life_ends_the_same_however_it_was_heard(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, dict[str, Any] | None]]
) -> None:
    life = lived(tmp_path_factory.mktemp("life"))

    for deed, hearing in deeds:
        do(life, deed)
        if hearing is not None:
            life.hear(**hearing)
    life.sync()
    heard = told(life.db)
    with life.db.read() as connection:
        current = connection.value("SELECT count(*) FROM subscriptions WHERE is_current = 1")
    forget(life.db)
    life.sync()

    assert told(life.db) == heard
    assert current <= 1
    life.db.close()


@given(hearing=HEARING)
@settings(max_examples=5)
def test_all_that_is_owed_is_owed_once(
    tmp_path_factory: pytest.TempPathFactory, hearing: dict[str, Any]
) -> None:
    life = lived(tmp_path_factory.mktemp("life"))
    life.join()

    life.hear(**hearing)
    life.sync()
    life.sync()

    with life.db.read() as connection:
        owed = [(note.what, note.to_whom) for note in store.owed(connection, limit=99)]
    assert owed == [("joined", "reader"), ("joined", "writer")]
    life.db.close()


@given(
    deeds=st.lists(st.sampled_from(sorted(DEEDS)), min_size=1, max_size=10),
    hearings=st.lists(HEARING, max_size=4),
    restarts=st.booleans(),
)
@settings(max_examples=8, phases=UNSHRUNK)
def test_a_life_ends_in_the_same_letters_however_it_was_heard(
    tmp_path_factory: pytest.TempPathFactory,
    deeds: list[str],
    hearings: list[dict[str, Any]],
    restarts: bool,
) -> None:
    start = clock.now()
    heard, unheard = (lived(tmp_path_factory.mktemp("life"), start) for _ in range(2))
    for deed in deeds:
        do(heard, deed)
        do(unheard, deed)

    for hearing in hearings:
        heard.hear(**hearing)
        if restarts:
            heard.db.close()
    for life in (heard, unheard):
        life.sync()

    assert _letters(heard) == _letters(unheard)
    assert write(heard) == []
    heard.db.close()
    unheard.db.close()


@given(
    deeds=st.lists(
        st.tuples(st.sampled_from(sorted(DEEDS)), st.none() | HEARING), min_size=1, max_size=10
    )
)
@settings(max_examples=6, phases=UNSHRUNK)
def test_nothing_is_told_twice_and_the_last_word_is_true(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, dict[str, Any] | None]]
) -> None:
    life = lived(tmp_path_factory.mktemp("life"), clock.now())

    for deed, hearing in deeds:
        do(life, deed)
        if hearing is not None:
            life.hear(**hearing)
            write(life)
    life.sync()
    write(life)

    with life.db.read() as connection:
        last = store.last_told(connection, life.somebody.id, to_whom="reader")
        notes = connection.value("SELECT count(*) FROM notes WHERE mailing_id IS NOT NULL")
        counting = store.current(connection, life.somebody.id, mode="till")
    assert len(written(life.db)) == notes
    if counting is not None and life.now - counting.created_at < FRESH:
        assert last is not None
        assert last[0] == "joined"
    life.db.close()


def _letters(life: Life) -> list[tuple[str, str]]:
    write(life)
    return sorted((one.to, one.about) for one in written(life.db))
