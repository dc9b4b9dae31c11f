"""Every page there is, on a phone, by night, read aloud, printed on no more than the window is wide."""

from urllib.parse import urlsplit

import pytest

from connector import clock
from connector.delivery import links as personal
from connector.readers import links, signup
from tests.browser.conftest import DESKTOP, PHONE, Open
from tests.browser.looking import look, overflow
from tests.stories.letters import InTheTray
from tests.stories.site import Site

TEXT, ELSE = 7.0, 4.5  # WCAG 2.2: 1.4.6, and more than 1.4.11 asks for
NOWHERE = "/nowhere"
OPEN_TO_ALL = [
    "/",
    "/archive",
    "/p/the-bench",
    "/p/first",
    "/about",
    "/subscribe",
    "/subscribe/sent",
    "/tip",
    "/gift",
    "/offer/SPRING",
    "/welcome",
    "/goodbye",
    "/tray",
]


@pytest.fixture(scope="module")
def letter(home: Site) -> str:
    """Where the letter with everything in it lies."""
    with home.db() as db:
        InTheTray(db).wait("ada@example.org", "The bench")
    ((found,),) = home.rows("SELECT max(id) FROM tray WHERE subject LIKE 'The bench%'")
    return f"/tray/{found}"


@pytest.fixture(scope="module")
def pages(home: Site, letter: str) -> list[str]:
    """Every page a reader can come to, those of ada's letters included."""
    settings, now = home.settings, clock.now()
    with home.db() as db:
        ada = signup.add(db, settings, email="ada@example.org", now=now).id
        own = urlsplit(personal.preferences(settings, ada)).path
        leaving = urlsplit(personal.unsubscribe(settings, ada)).path
    home.post("/subscribe", email="pia@example.org")
    ((pia,),) = home.rows("SELECT id FROM subscribers WHERE email_key = 'pia@example.org'")
    confirming = urlsplit(links.confirm(settings, int(str(pia)), now=now)).path
    old = urlsplit(links.confirm(settings, int(str(pia)), now=0)).path
    in_tray = [letter, f"{letter}/text", f"{letter}/source"]
    return [*OPEN_TO_ALL, confirming, old, leaving, own, f"{own}/erase", *in_tray, NOWHERE]


@pytest.mark.parametrize("width", [PHONE, 320, DESKTOP])
def test_no_page_scrolls_sideways(visit: Open, pages: list[str], width: int) -> None:
    visiting = visit(width)

    wide = {}
    for path in pages:
        answer = visiting.page.goto(path)
        assert answer is not None
        if answer.status in (404, 410):
            visiting.forgive(str(answer.status))
        if by := overflow(visiting.page):
            wide[path] = by

    assert wide == {}


def test_a_letter_fits_a_phone(visit: Open, letter: str) -> None:
    page = visit(PHONE).page

    page.goto(f"{letter}/letter")

    assert overflow(page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_letter_stands_out(visit: Open, letter: str, scheme: str) -> None:
    page = visit(color_scheme=scheme).page
    page.goto(f"{letter}/letter")

    faint = [
        (ratio, where)
        for ratio, where in look(page).texts
        if ratio < (ELSE if 'class="break"' in where else TEXT)
    ]

    assert faint == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_well_built_and_stands_out(
    visit: Open, pages: list[str], scheme: str
) -> None:
    visiting = visit(color_scheme=scheme)

    trouble = []
    for path in pages:
        answer = visiting.page.goto(path)
        assert answer is not None
        if answer.status in (404, 410):
            visiting.forgive(str(answer.status))
        seen = look(visiting.page)
        assert len(seen.texts) > 5
        trouble += [f"{path}: {what}" for what in seen.structure]
        trouble += [f"{path}: {ratio} {where}" for ratio, where in seen.texts if ratio < TEXT]
        trouble += [f"{path}: {ratio} {where}" for ratio, where in seen.others if ratio < ELSE]

    assert trouble == []


def test_by_night_the_paper_is_dark_and_the_ink_is_light(visit: Open) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme).page
        page.goto("/p/the-bench")
        grounds.append(page.evaluate(GROUND))

    day, night = grounds
    assert min(day) > 200
    assert max(night) < 60


GROUND = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
