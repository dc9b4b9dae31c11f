"""What a mailbox provider sees of a letter: the bytes a relay was given, line by line."""

import asyncio
import email
import email.policy
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypotheses
from hypothesis import strategies as st

from connector.delivery import links, smtp
from connector.delivery.encoding import needs_smtputf8
from connector.delivery.letter import Letter
from connector.delivery.mime import Template, envelope_sender, read_verp
from connector.settings import Settings
from connector.signing import Keys
from tests.conftest import NOW
from tests.fakes.smtp import FakeRelay, Received

MAILING = 41
LETTER = Letter(
    subject="The bench by the library",
    sender="ines@letters.example.org",
    sender_name="Ines Marlow",
    reply_to="",
    text=(
        "Dear [[name]],\n\n.hidden dots and “quotes”\nFrom the harbour: https://example.org/a?b=c&d\n\n"
        "You get this at [[address]].\nStop: [[unsubscribe]]\nChange: [[preferences]]\n"
    ),
    html=(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"></head><body>'
        "<p>Dear [[name]],</p>\n.hidden dots and “quotes”\n"
        '<p><a href="https://example.org/a?b=c&amp;d">the harbour</a></p>'
        '<p>You get this at [[address]]. <a href="[[unsubscribe]]">Stop</a> or '
        '<a href="[[preferences]]">change</a>.</p></body></html>\n'
    ),
)
ADA = (7, 1, "ada@example.org", "Ada Lovelace")
BEA = (8, 2, "bea@example.org", "Béa “B” Ósk")
To = tuple[int, int | None, str, str]

# A strategy's worth of trouble: line ends, header ends, markers, encoded words, controls, emoji.
TROUBLE = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "\r\nBcc: cas@example.org",
            "a\r\n\r\n.\r\nMAIL FROM:<x@example.org>",
            "[[unsubscribe]] [[name]]",
            "=?utf-8?q?=0D=0ABcc=3A_x?=",
            "<script>alert(1)</script>",
            ".\r\n",
            "\x00\x07\x1b[31m\x7f",
            "x" * 3000,
            "é" * 900,
            "👩‍👩‍👧 " * 80,
            "שלום " * 90,
            '"quoted" \\ (comment), <angle@example.org>;',
            "\u2028\u2029\x85\x0b\x0c",
            "\ud800",
        ]
    ),
)


def template(settings: Settings, letter: Letter = LETTER, kind: str = "issue") -> Template:
    return Template(
        letter, settings, mailing=MAILING, kind="notice" if kind == "notice" else "issue", date=NOW
    )


def message(template: Template, to: To = ADA) -> bytes:
    delivery, recipient, address, name = to
    return template.message(delivery=delivery, recipient=recipient, address=address, name=name)


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def body(raw: bytes, kind: str) -> str:
    part = parsed(raw).get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def headers(raw: bytes) -> list[tuple[str, str]]:
    """Every header as sent: its name, and its value with the folds taken out."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    lines = re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def header(raw: bytes, name: str) -> str:
    (value,) = [value for found, value in headers(raw) if found == name]
    return value


def on_the_wire(settings: Settings, people: Sequence[To] = (ADA, BEA)) -> list[Received]:
    made = template(settings)

    async def send() -> list[Received]:
        async with FakeRelay() as relay:
            line = await smtp.connect(relay.relay())
            for person in people:
                outcome = await line.send(
                    sender=envelope_sender(settings, person[0]),
                    recipient=person[2],
                    message=message(made, person),
                )
                assert outcome.kind == "sent"
            await line.quit()
            return relay.received

    return asyncio.run(send())


@pytest.fixture
def received(configured: Settings) -> list[Received]:
    """The same letter to Ada and to Bea, as the relay got it."""
    return on_the_wire(configured)


@pytest.fixture
def raw(received: list[Received]) -> bytes:
    return received[0].message


class TestEnvelope:
    def test_each_letter_has_one_recipient_and_is_addressed_to_them(
        self, received: list[Received]
    ) -> None:
        for letter in received:
            assert len(letter.rcpts) == 1
            assert parsed(letter.message)["To"].addresses[0].addr_spec == letter.recipient

    def test_bounces_come_back_to_an_address_that_names_the_delivery(
        self, received: list[Received], configured: Settings
    ) -> None:
        senders = [letter.sender for letter in received]

        assert [read_verp(configured, sender) for sender in senders] == [7, 8]
        assert all(sender.endswith("@letters.example.org") for sender in senders)
        assert all(len(sender.partition("@")[0]) <= 64 for sender in senders)

    def test_the_greeting_is_a_name_we_own(self, received: list[Received]) -> None:
        assert {letter.hello for letter in received} == {"letters.example.org"}

    def test_no_line_begins_with_a_dot_so_none_needs_stuffing(
        self, received: list[Received]
    ) -> None:
        for letter in received:
            assert letter.wire == letter.message
            assert b"\r\n." not in letter.wire


class TestBounceAddresses:
    def test_a_change_of_case_on_the_way_does_not_matter(self, configured: Settings) -> None:
        assert read_verp(configured, envelope_sender(configured, 2**62).upper()) == 2**62

    def test_another_delivery_is_not_believed(self, configured: Settings) -> None:
        forged = envelope_sender(configured, 7).replace("+7.", "+8.")

        assert read_verp(configured, forged) is None

    @pytest.mark.parametrize(
        "address", ["", "bounces@letters.example.org", "bounces+7.x@letters.example.org", "+7.@"]
    )
    def test_an_address_without_proof_names_nothing(
        self, configured: Settings, address: str
    ) -> None:
        assert read_verp(configured, address) is None

    def test_an_older_key_still_counts(self, configured: Settings) -> None:
        address = envelope_sender(configured, 7)

        object.__setattr__(configured, "keys", Keys((b"n" * 40, *configured.keys.secrets)))

        assert read_verp(configured, address) == 7

    def test_our_domain_is_part_of_the_proof(self, configured: Settings) -> None:
        elsewhere = envelope_sender(configured, 7).replace("letters.example.org", "example.net")

        assert read_verp(configured, elsewhere) is None


class TestHeaders:
    @pytest.mark.parametrize(
        "name", ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
    )
    def test_what_must_be_there_is_there_once(self, raw: bytes, name: str) -> None:
        assert [found for found, _ in headers(raw)].count(name) == 1

    def test_nothing_is_there_twice(self, raw: bytes) -> None:
        names = [name.lower() for name, _ in headers(raw)]

        assert len(names) == len(set(names))

    def test_a_copy_carries_the_same_message_id_and_the_very_same_bytes(
        self, configured: Settings
    ) -> None:
        assert message(template(configured)) == message(template(configured))

    def test_every_delivery_has_a_message_id_of_its_own_at_the_senders_domain(
        self, received: list[Received]
    ) -> None:
        ids = [header(letter.message, "Message-ID") for letter in received]

        assert len(set(ids)) == 2
        assert all(
            re.fullmatch(r"<\d+\.[0-9a-f]{20}@letters\.example\.org>", found) for found in ids
        )

    def test_the_date_is_that_of_the_mailing(self, raw: bytes) -> None:
        assert parsedate_to_datetime(header(raw, "Date")) == datetime.fromtimestamp(
            NOW // 1000, UTC
        )

    def test_it_comes_from_the_author_at_our_domain(self, raw: bytes) -> None:
        assert header(raw, "From") == "Ines Marlow <ines@letters.example.org>"

    def test_the_list_has_one_name_whatever_the_issue(self, configured: Settings) -> None:
        first = message(template(configured))
        other = Template(
            LETTER, configured, mailing=MAILING + 1, kind="issue", date=NOW + 86_400_000
        ).message(delivery=99, recipient=1, address="ada@example.org", name="")

        assert header(first, "List-Id") == header(other, "List-Id")
        assert re.fullmatch(
            r"The Commons Desk <[a-z0-9-]+(\.[a-z0-9-]+)+>", header(first, "List-Id")
        )
        assert len(header(first, "List-Id")) <= 255

    def test_one_click_unsubscribe_is_one_https_link_and_one_mailto(self, raw: bytes) -> None:
        uris = re.findall(r"<([^<>]*)>", header(raw, "List-Unsubscribe"))

        assert [uri.partition(":")[0] for uri in uris] == ["https", "mailto"]
        assert header(raw, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"

    def test_unsubscribe_links_are_neither_encoded_nor_folded_inside(self, raw: bytes) -> None:
        field = raw[raw.index(b"List-Unsubscribe:") : raw.index(b"List-Unsubscribe-Post:")]

        assert b"=?" not in field
        assert not re.search(rb"<[^>]*\s[^>]*>", field)

    def test_both_ways_to_unsubscribe_carry_a_token_of_that_reader(
        self, received: list[Received], configured: Settings
    ) -> None:
        tokens = []
        for letter in received:
            https, mailto = re.findall(r"<([^<>]*)>", header(letter.message, "List-Unsubscribe"))
            token = https.rpartition("/")[2]
            assert unquote(mailto) == f"mailto:ines@letters.example.org?subject=unsubscribe {token}"
            tokens.append(token)

        assert [links.recipient_of(configured, "unsubscribe", token) for token in tokens] == [1, 2]
        assert all(len(token.rpartition(".")[2]) * 6 >= 128 for token in tokens)

    def test_no_address_of_a_reader_is_anywhere_but_in_to(self, received: list[Received]) -> None:
        for letter in received:
            others = [value for name, value in headers(letter.message) if name != "To"]
            assert not [value for value in others if letter.recipient in value]
            assert letter.recipient.encode() not in unquote(str(others)).encode()

    def test_help_archive_and_owner_are_named_and_nobody_posts(self, raw: bytes) -> None:
        assert header(raw, "List-Archive") == "<https://letters.example.org/archive>"
        assert header(raw, "List-Help").startswith("<mailto:ines@letters.example.org")
        assert header(raw, "List-Owner") == "<mailto:ines@letters.example.org>"
        assert header(raw, "List-Post") == "NO"

    def test_the_feedback_id_is_the_same_for_everybody(self, received: list[Received]) -> None:
        ids = {header(letter.message, "Feedback-ID") for letter in received}

        (found,) = ids
        fields = found.split(":")
        assert len(fields) <= 4
        assert fields[:2] == [str(MAILING), "issue"]
        assert 5 <= len(fields[-1]) <= 15

    def test_there_are_no_other_headers(self, raw: bytes) -> None:
        names = {name for name, _ in headers(raw)}

        assert names == {
            *("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"),
            *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Owner"),
            *("List-Archive", "List-Post", "Feedback-ID"),
        }

    def test_answers_go_where_the_letter_says(self, configured: Settings) -> None:
        letter = Letter(**{**vars(LETTER), "reply_to": "desk@letters.example.org"})

        raw = message(template(configured, letter))

        assert header(raw, "Reply-To") == "<desk@letters.example.org>"

    def test_a_test_letter_to_nobody_on_the_list_has_no_unsubscribe(
        self, configured: Settings
    ) -> None:
        raw = message(template(configured), (1, None, "ines@letters.example.org", ""))

        assert not [name for name, _ in headers(raw) if name.startswith("List-Unsubscribe")]
        assert "[[" not in body(raw, "plain") + body(raw, "html")


class TestNotices:
    def test_a_notice_says_that_a_machine_wrote_it_and_belongs_to_no_list(
        self, configured: Settings
    ) -> None:
        raw = message(template(configured, kind="notice"))

        names = {name for name, _ in headers(raw)}
        assert header(raw, "Auto-Submitted") == "auto-generated"
        assert not [name for name in names if name.startswith(("List-", "Feedback-"))]

    def test_a_notice_comes_from_an_address_of_its_own_and_answers_reach_a_person(
        self, configured: Settings
    ) -> None:
        raw = message(template(configured, kind="notice"))

        assert header(raw, "From") == "Ines Marlow <notices@letters.example.org>"
        assert header(raw, "Reply-To") == "<ines@letters.example.org>"

    def test_an_issue_is_written_by_a_person(self, raw: bytes) -> None:
        assert "Auto-Submitted" not in {name for name, _ in headers(raw)}


class TestBody:
    def test_text_comes_before_html_and_both_say_something(self, raw: bytes) -> None:
        whole = parsed(raw)
        kinds = [part.get_content_type() for part in whole.iter_parts()]

        assert whole.get_content_type() == "multipart/alternative"
        assert kinds == ["text/plain", "text/html"]
        assert all(body(raw, kind).strip() for kind in ("plain", "html"))

    def test_both_parts_have_the_same_links(self, raw: bytes) -> None:
        in_html = {
            link.replace("&amp;", "&") for link in re.findall('href="(.*?)"', body(raw, "html"))
        }

        assert in_html == set(re.findall(r"https://\S+", body(raw, "plain")))

    def test_seven_bits_are_enough(self, raw: bytes) -> None:
        assert raw.isascii()
        assert raw.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == 2
        assert raw.count(b"charset=utf-8\r\n") == 2

    def test_links_are_as_written_and_nothing_is_added(
        self, received: list[Received], configured: Settings
    ) -> None:
        html = body(received[0].message, "html")

        expected = LETTER.html
        for mark, value in {
            "[[name]]": "Ada Lovelace",
            "[[address]]": "ada@example.org",
            "[[unsubscribe]]": links.unsubscribe(configured, 1),
            "[[preferences]]": links.preferences(configured, 1),
        }.items():
            expected = expected.replace(mark, value)
        assert html == expected

    def test_no_marker_is_left(self, received: list[Received]) -> None:
        for letter in received:
            assert "[[" not in body(letter.message, "plain") + body(letter.message, "html")

    def test_a_name_is_shown_and_never_obeyed(self, configured: Settings) -> None:
        raw = message(template(configured), (1, 1, "ada@example.org", "<b>Ada</b> [[unsubscribe]]"))

        assert "Dear &lt;b&gt;Ada&lt;/b&gt; [[unsubscribe]]," in body(raw, "html")
        assert "Dear <b>Ada</b> [[unsubscribe]]," in body(raw, "plain")

    def test_unsubscribe_is_found_before_a_long_letter_is_clipped(
        self, configured: Settings
    ) -> None:
        long = LETTER.html.replace("<p>Dear", "<p>" + "Ein schöner Satz. " * 4500 + "</p><p>Dear")
        raw = message(template(configured, Letter(**{**vars(LETTER), "html": long})))

        assert 0 < body(raw, "html").index("/unsubscribe/") < 100_000
        assert not too_long(raw)

    def test_two_readers_letters_differ_only_in_their_own_places(
        self, received: list[Received]
    ) -> None:
        first, second = (letter.message for letter in received)

        personal = re.compile(
            r"Ada Lovelace|ada@example\.org|Béa “B” Ósk|bea@example\.org|[12]\.[\w-]{22}"
        )
        for kind in ("plain", "html"):
            assert personal.sub("*", body(first, kind)) == personal.sub("*", body(second, kind))
        changed = {
            name
            for (name, value), (_, other) in zip(headers(first), headers(second), strict=True)
            if value != other
        }
        assert changed == {"To", "Message-ID", "List-Unsubscribe"}


class TestSubjects:
    @pytest.mark.parametrize(
        "subject",
        [
            "Über Bänke",
            "ספסלים ליד הספרייה",
            "مقاعد بجانب المكتبة",
            "Benches 👩‍👩‍👧‍👦 and 🪑",
            "長椅" * 60,
            "A subject so long that it goes on and on " * 8,
            "x" * 400,
            "=?utf-8?q?not_encoded?=",
            "Trailing = and _ and ? stay",
            "Bonjour : espace insécable",
        ],
    )
    def test_it_arrives_as_written(self, configured: Settings, subject: str) -> None:
        raw = message(template(configured, Letter(**{**vars(LETTER), "subject": subject.strip()})))

        assert parsed(raw)["Subject"] == subject.strip()
        assert not too_long(raw)


class TestInternationalAddresses:
    def test_a_domain_is_written_in_ascii(self, configured: Settings) -> None:
        raw = message(template(configured), (1, 1, "ada@bücher.example", ""))

        assert header(raw, "To") == "<ada@xn--bcher-kva.example>"
        assert not needs_smtputf8("ada@bücher.example")

    def test_a_local_part_that_ascii_cannot_say_needs_smtputf8(self, configured: Settings) -> None:
        raw = message(template(configured), (1, 1, "アダ@example.org", ""))

        assert needs_smtputf8("アダ@example.org")
        assert "To: <アダ@example.org>\r\n".encode() in raw


class TestHostileWords:
    @given(name=TROUBLE, subject=TROUBLE, sender_name=TROUBLE, address=TROUBLE)
    @hypotheses(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_nobody_can_add_a_header_end_the_body_or_make_a_long_line(
        self, configured: Settings, name: str, subject: str, sender_name: str, address: str
    ) -> None:
        letter = Letter(**{**vars(LETTER), "subject": subject, "sender_name": sender_name})
        usual = [found for found, _ in headers(message(template(configured)))]

        raw = message(template(configured, letter), (1, 1, f"{address}@example.org", name))

        head = raw.partition(b"\r\n\r\n")[0]
        names = re.findall(r"^([!-9;-~]+):", head.decode(), re.MULTILINE)
        assert names == usual
        assert b"\r" not in raw.replace(b"\r\n", b"")
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert b"\x00" not in raw
        assert b"\r\n." not in raw
        assert raw.endswith(b"--\r\n")
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert len(list(parsed(raw).iter_parts())) == 2

    @given(text=st.text(), html=st.text(), name=st.text(max_size=80))
    @hypotheses(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_any_words_arrive_as_they_were_written(
        self, configured: Settings, text: str, html: str, name: str
    ) -> None:
        letter = Letter(**{**vars(LETTER), "text": f"{text}[[name]]{html}", "html": html})
        name = name.encode("utf-8", "ignore").decode()

        raw = message(template(configured, letter), (1, 1, "ada@example.org", name))

        shown = parsed(raw).get_body(("plain",))
        assert shown is not None
        wire = shown.get_payload(decode=True)
        assert isinstance(wire, bytes)
        before, after = lines(text), lines(html)
        assert wire.decode().startswith(before)
        assert wire.decode().endswith(after)
        bare = parsed(raw).get_body(("html",))
        assert bare is not None
        assert bare.get_payload(decode=True) == after.encode()

    @given(name=TROUBLE)
    @hypotheses(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_no_line_of_ours_is_longer_than_it_should_be(
        self, configured: Settings, name: str
    ) -> None:
        raw = message(template(configured), (1, 1, "ada@example.org", name))

        assert not too_long(raw)


def too_long(raw: bytes) -> list[bytes]:
    """Lines over 78; a link in a header is exempt, since it may not be folded."""
    links = (b"List-Unsubscribe: <", b" <mailto:")
    return [line for line in raw.split(b"\r\n") if len(line) > 78 and not line.startswith(links)]


def lines(text: str) -> str:
    """Text as mail carries it: every line end is CRLF, half a surrogate pair is a question mark."""
    whole = re.sub(r"\r\n|\r|\n", "\r\n", text)
    return whole.encode("utf-8", "replace").decode()
