"""From a file to a page, a feed and a letter in every reader's inbox: once, and the right one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import feedparser
import pytest

from connector import clock
from connector.clock import DAY
from connector.delivery import mailings
from connector.membership import complimentary
from connector.readers import preferences, signup
from tests import clusters
from tests.fakes.smtp import FakeRelay
from tests.stories import issue, letters, site
from tests.stories.letters import AtTheRelay
from tests.stories.site import Site
from tests.waiting import until

ASK, THANKS = "Please pay for this letter", "Thank you for paying"
MEMBER = "bea@example.org"
READERS = {"ada@example.org", "eva@example.org", MEMBER}


@dataclass(frozen=True)
class Story:
    site: Site
    relay: FakeRelay
    inbox: AtTheRelay
    file: Path


@pytest.fixture(scope="module")
def story(engine_of_story: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Seven people, three of them to be written to, and one issue that has been published."""
    with FakeRelay().in_thread() as relay, clusters.place(engine_of_story) as url:
        root = site.found(tmp_path_factory.mktemp("commons"), relay=relay)
        with site.serving(root, database=url) as served:
            file = issue.write(root)
            _invite(served)
            served.tell("publish", file, "--yes")
            served.settled()
            yield Story(served, relay, AtTheRelay(relay), file)


def _invite(served: Site) -> None:
    settings, now = served.settings, clock.now()
    with served.db() as db:
        _ada, _eva, bea, cas, dan, kai = (
            signup.add(db, settings, email=f"{name}@example.org", name=name.title(), now=now)
            for name in ("ada", "eva", "bea", "cas", "dan", "kai")
        )
        complimentary.comp(db, bea.id, until=None, now=now)
        preferences.unsubscribe(db, settings, cas.id, how="link", page="", client="", now=now)
        preferences.pause(db, kai.id, until=now + 30 * DAY, now=now)
        with db.write() as tx:
            mailings.suppress(tx, dan.email_key, why="bounced", detail="550 5.1.1", now=now)
    served.post("/subscribe", email="pia@example.org")


def test_every_reader_gets_it_once_and_nobody_else_does(story: Story) -> None:
    got = Counter(
        one.recipient
        for one in story.relay.received
        if letters.Arrived(one.message).subject == issue.TITLE
    )

    assert got == dict.fromkeys(READERS, 1)
    assert story.inbox.subjects("pia@example.org") == ["Please confirm: The Commons Desk"]


def test_members_are_thanked_and_the_others_are_asked(story: Story) -> None:
    for address in READERS:
        letter = story.inbox.wait(address, issue.TITLE)
        said, unsaid = (THANKS, ASK) if address == MEMBER else (ASK, THANKS)

        for body in (letter.text, letter.html):
            assert said in body
            assert unsaid not in body
            assert "only in the letter" in body
            assert "only on the web" not in body


def test_each_letter_keeps_to_the_wire_and_names_its_own_reader(story: Story) -> None:
    received = [one for one in story.relay.received if one.recipient in READERS]

    for one in received:
        letters.check_wire(one.message, is_issue=True)
        assert str(letters.Arrived(one.message).message["To"]).endswith(f"<{one.recipient}>")
        assert str(one.recipient) not in one.sender
    arrived = [letters.Arrived(one.message) for one in received]
    for each in ("Message-ID", "List-Unsubscribe"):
        assert len({str(one.message[each]) for one in arrived}) == len(READERS)
    for same in ("List-Id", "Feedback-ID", "Date", "Subject"):
        assert len({str(one.message[same]) for one in arrived}) == 1
    assert len({one.sender for one in received}) == len(READERS)


def test_text_and_html_lead_to_the_same_places(story: Story) -> None:
    for address in READERS:
        letter = story.inbox.wait(address, issue.TITLE)
        pictures = letters.pictures_in(letter.html)
        shown = {str(picture["src"]) for picture in pictures}

        linked = {link for link in letters.links_in_html(letter.html) if not link.startswith("#")}

        assert linked | shown == letters.links_in(letter.text)
        assert issue.LONG in linked
        assert all(picture["alt"] for picture in pictures)
        assert all(link.startswith(("https://", "mailto:")) for link in linked | shown)
        assert letter.one_click in linked


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_scanner_that_follows_every_link_finds_a_page_and_changes_nothing(
    story: Story, method: str
) -> None:
    letter = story.inbox.wait("ada@example.org", issue.TITLE)
    notice = story.inbox.wait("pia@example.org", "Please confirm")
    pictures = [str(one["src"]) for one in letters.pictures_in(letter.html)]
    links = {*letters.links_in_html(letter.html), *pictures, letter.one_click}
    links |= letters.links_in_html(notice.html)
    ours = {link for link in links if link.startswith(story.site.home)}
    before = story.site.dump()

    answers = {link: story.site.ask_for(method, link).status_code for link in ours}

    assert set(answers.values()) == {200}, answers
    assert story.site.dump() == before
    kinds = {link.removeprefix(story.site.home).split("/")[1] for link in ours}
    assert kinds >= {"", "p", "images", "archive", "unsubscribe", "preferences", "confirm"}


def test_the_page_is_there_with_its_picture(story: Story) -> None:
    page = story.site.get("/p/the-bench")

    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert ASK in page.text
    assert THANKS not in page.text
    assert "only on the web" in page.text
    (first, *_) = (str(one["src"]) for one in letters.pictures_in(page.text))
    picture = story.site.get(first)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    for listing in ("/", "/archive", "/sitemap.xml"):
        assert "/p/the-bench" in story.site.get(listing).text


def test_the_feed_has_it_up_to_where_the_writer_said_more(story: Story) -> None:
    feed = feedparser.parse(story.site.get("/feed").text)

    (entry,) = feed.entries
    assert not feed.bozo
    assert entry.title == issue.TITLE
    assert entry.link == f"{story.site.home}/p/the-bench"
    content = entry.content[0].value
    assert "Bollard 14" in content
    assert "only on the web" not in content
    assert all(
        str(picture["src"]).startswith("https://") for picture in letters.pictures_in(content)
    )


def test_a_correction_renews_the_page_within_a_second_and_sends_nothing(story: Story) -> None:
    sent = len(story.relay.received)
    corrected = issue.RICH.replace("Nobody was hurt", "Only a pigeon was hurt")
    story.file.write_text(corrected, encoding="utf-8")

    said = story.site.tell("publish", story.file, "--yes")
    until(lambda: "Only a pigeon" in story.site.get("/p/the-bench").text, "the page", seconds=1)

    assert "nobody gets it twice" in said
    assert "Only a pigeon" in story.site.get("/feed").text
    story.site.settled()
    assert len(story.relay.received) == sent
    assert story.site.rows("SELECT count(*) FROM mailings WHERE kind = 'issue'") == [(1,)]


def test_an_edit_that_is_not_published_changes_nothing(story: Story) -> None:
    before = story.site.get("/p/the-bench").text

    story.file.write_text(issue.RICH.replace("A slat", "A plank"), encoding="utf-8")

    assert story.site.get("/p/the-bench").text == before


def test_a_scheduled_issue_waits_for_its_time_and_goes_to_whoever_is_there_then(
    story: Story,
) -> None:
    file = issue.short(story.site.root, "later")
    story.site.tell("publish", file, "--at", "in 2 hours", "--yes")

    assert story.site.get("/p/later").status_code == 404
    for page in ("/", "/archive", "/feed", "/sitemap.xml"):
        assert "/p/later" not in story.site.get(page).text
    assert story.site.rows("SELECT frozen_at FROM mailings WHERE about = 'later'") == [(None,)]
    with story.site.db() as db:
        signup.add(db, story.site.settings, email="lou@example.org", now=clock.now())

    _let_its_time_come(story.site)
    for page in ("/p/later", "/", "/archive", "/feed", "/sitemap.xml"):
        until(lambda page=page: "/p/later" in story.site.get(page).text, page, seconds=1)  # type: ignore[misc]

    for address in (*READERS, "lou@example.org"):
        story.inbox.wait(address, "later")
    story.site.settled()
    assert "later" not in story.inbox.subjects("kai@example.org")


def _let_its_time_come(served: Site) -> None:
    """Whatever is scheduled was scheduled for this moment."""
    for column, table in (("published_at", "issues"), ("starts_at", "mailings")):
        served.change(f"UPDATE {table} SET {column} = :now WHERE {column} > :now", now=clock.now())
