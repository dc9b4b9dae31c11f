"""Before there is a relay: every letter can be read on this machine, as it would have gone out."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import clock
from connector.readers import signup
from tests import clusters
from tests.fakes.smtp import FakeRelay
from tests.stories import issue, letters, site
from tests.stories.letters import InTheTray
from tests.stories.site import HERE, PUBLIC, Site

ADA = "ada@example.org"


@pytest.fixture(scope="module")
def home(engine_of_story: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on this machine, with an issue that went to one reader."""
    root = site.found(tmp_path_factory.mktemp("home"))
    with clusters.place(engine_of_story) as url, site.serving(root, database=url) as served:
        with served.db() as db:
            signup.add(db, served.settings, email=ADA, name="Ada", now=clock.now())
        said = served.tell("publish", issue.write(root), "--yes")
        assert "1 letter of 1 sent." in said
        yield served


@pytest.fixture(scope="module")
def letter(home: Site) -> str:
    """Where the letter lies."""
    listed = home.get("/tray").text
    assert f"to {ADA}" in listed
    found = re.findall(rf'<a href="(/tray/\d+)">{issue.TITLE}</a>', listed)
    assert len(found) == 1
    return str(found[0])


def test_a_letter_is_shown_in_a_frame_that_can_run_nothing(home: Site, letter: str) -> None:
    page, frame = home.get(letter), home.get(f"{letter}/letter")

    assert f'<iframe src="{letter}/letter"' in page.text
    assert "These words are only in the letter" in frame.text
    policy = frame.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "sandbox allow-popups" in policy
    assert "default-src 'none'" in policy


def test_a_letter_can_be_read_as_text(home: Site, letter: str) -> None:
    shown = html.unescape(home.get(f"{letter}/text").text)

    assert "Thing: Bench, Ferry Steps" in shown
    assert f"Unsubscribe: {home.url}/unsubscribe/" in shown


def test_the_source_is_what_a_relay_would_have_got(home: Site, letter: str) -> None:
    with home.db() as db:
        (kept,) = InTheTray(db).to(ADA)

    shown = html.unescape(home.get(f"{letter}/source").text)

    letters.check_wire(kept.raw, is_issue=True)
    assert kept.raw.decode().replace("\r\n", "\n") in shown.replace("\r\n", "\n")
    assert kept.message["To"].addresses[0].addr_spec == ADA


def test_every_link_in_the_letter_leads_to_the_site_where_it_listens(home: Site) -> None:
    with home.db() as db:
        (kept,) = InTheTray(db).to(ADA)

    ours = {link for link in letters.links_in_html(kept.html) if "127.0.0.1" in link}

    assert {home.get(link).status_code for link in ours} == {200}
    assert all(link.startswith(f"{home.url}/") for link in ours)


def test_looking_changes_nothing_and_is_for_nobody_else(home: Site, letter: str) -> None:
    before = home.dump()

    for path in ("/tray", letter, f"{letter}/text", f"{letter}/source", f"{letter}/letter"):
        answer = home.get(path)

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
    assert home.dump() == before
    assert home.ask_for("GET", "/tray", headers={"Host": "evil.example.net"}).status_code == 400
    assert home.get("/tray/99999").status_code == 404


@pytest.mark.parametrize("has_relay", [True, False], ids=["with a relay", "on a public site"])
def test_a_site_that_others_see_has_no_tray(tmp_path: Path, *, has_relay: bool) -> None:
    with FakeRelay().in_thread() as relay:
        root = site.found(tmp_path, relay=relay if has_relay else None, url=PUBLIC)
        with site.serving(root, "serve", "--no-sender") as served:
            for path in ("/tray", "/tray/1", "/tray/1/text", "/tray/1/source", "/tray/1/letter"):
                assert served.get(path).status_code == 404
            assert "/tray" not in served.get("/").text


def test_a_relay_at_home_closes_the_tray_too(tmp_path: Path) -> None:
    with FakeRelay().in_thread() as relay:
        root = site.found(tmp_path, relay=relay)
        toml = root / "connector.toml"
        toml.write_text(toml.read_text(encoding="utf-8").replace(PUBLIC, HERE), encoding="utf-8")
        with site.serving(root, "serve", "--no-sender") as served:
            assert served.get("/tray").status_code == 404
            assert "/tray" not in served.get("/").text
