"""What a mailbox provider makes of our signatures, on the bytes that a relay was given."""

import asyncio
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_curve
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as hypotheses
from hypothesis import strategies as st

from connector.delivery import dkim, links, smtp
from connector.delivery.letter import Letter
from connector.delivery.mime import Template, envelope_sender
from connector.errors import Misconfigured
from connector.settings import DkimKey, Settings
from tests.delivery import judges
from tests.delivery.judges import Records
from tests.fakes.smtp import FakeRelay

SENT_AT = 1_763_000_000_000  # long ago for every judge: none believes a signature of the future
LETTER = Letter(
    subject="The bench by the library",
    sender="ines@letters.example.org",
    sender_name="Ines Marlow",
    reply_to="desk@letters.example.org",
    text=(
        "Dear [[name]],\n\n.hidden dots,  “quotes”\tand\ttabs \n\n\n"
        "You get this at [[address]].\nStop: [[unsubscribe]]\nChange: [[preferences]]\n\n\n"
    ),
    html=(
        "<p>Dear  [[name]],</p>\n    <p>You get this at [[address]]. "
        '<a href="[[unsubscribe]]">Stop</a> or <a href="[[preferences]]">change</a>.</p>\n  \n'
    ),
)
ADA = (7, 1, "ada@example.org", "Ada Lovelace")
BEA = (8, 2, "bea@example.org", "Béa “B”  Ósk")
To = tuple[int, int | None, str, str]
ANY_SETTINGS = hypotheses(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
WORDS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet=" \t=.\r\nFrom:é", max_size=60),
    st.sampled_from(["", " ", "  a  b  ", "\t", "a \r\n b", "x" * 300, "é " * 200, "\ud800"]),
)


@pytest.fixture(scope="session")
def keys() -> dict[dkim.Kind, bytes]:
    return {"rsa": dkim.new_key("rsa"), "ed25519": dkim.new_key("ed25519")}


@pytest.fixture
def signing(configured: Settings, keys: dict[dkim.Kind, bytes]) -> Settings:
    """Settings with a key of both kinds."""
    return dataclasses.replace(
        configured,
        dkim_keys=(
            DkimKey("bench-2026", "rsa", configured.root / "dkim.pem", keys["rsa"]),
            DkimKey("ed.bench", "ed25519", configured.root / "ed.pem", keys["ed25519"]),
        ),
    )


@pytest.fixture
def records(signing: Settings) -> Records:
    return dict(dkim.record(signer) for signer in dkim.signers(signing))


@pytest.fixture
def raw(signing: Settings) -> bytes:
    return on_the_wire(signing, ADA)


def template(settings: Settings, letter: Letter = LETTER, kind: str = "issue") -> Template:
    return Template(
        letter, settings, mailing=41, kind="notice" if kind == "notice" else "issue", date=SENT_AT
    )


def message(made: Template, to: To = ADA) -> bytes:
    delivery, recipient, address, name = to
    return made.message(delivery=delivery, recipient=recipient, address=address, name=name)


def on_the_wire(settings: Settings, to: To, kind: str = "issue") -> bytes:
    """The letter as a relay gets it."""

    async def send() -> bytes:
        async with FakeRelay() as relay:
            line = await smtp.connect(relay.relay())
            outcome = await line.send(
                sender=envelope_sender(settings, to[0]),
                recipient=to[2],
                message=message(template(settings, kind=kind), to),
            )
            assert outcome.kind == "sent"
            await line.quit()
            return relay.received[0].message

    return asyncio.run(send())


def names(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0].decode()
    return re.findall(r"^([!-9;-~]+):", head, re.MULTILINE)


def pem(key: RSAPrivateKey, how: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption())


def short() -> bytes:
    return pem(generate_private_key(65537, 1024))  # noqa: S505 - to be refused


def locked() -> bytes:
    return pem(generate_private_key(65537, 2048), BestAvailableEncryption(b"opensesame"))


def damaged() -> bytes:
    """A key whose halves do not belong together."""
    one, other = (generate_private_key(65537, 2048).private_numbers() for _ in range(2))
    mixed = RSAPrivateNumbers(
        p=one.p,
        q=one.q,
        d=other.d,
        dmp1=other.dmp1,
        dmq1=one.dmq1,
        iqmp=one.iqmp,
        public_numbers=one.public_numbers,
    )
    return pem(mixed.private_key(unsafe_skip_rsa_key_validation=True))


def curve() -> bytes:
    key = new_curve(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TestVerdicts:
    @pytest.mark.parametrize("to", [ADA, BEA], ids=["ada", "bea"])
    @pytest.mark.parametrize("kind", ["issue", "notice"])
    def test_two_judges_find_both_signatures_good(
        self, signing: Settings, records: Records, tmp_path: Path, to: To, kind: str
    ) -> None:
        raw = on_the_wire(signing, to, kind)

        assert judges.dkimpy(raw, records) == [True, True]
        assert judges.opendkim(raw, records, tmp_path) == ["pass", "pass"]

    def test_a_letter_to_nobody_on_the_list_is_signed_too(
        self, signing: Settings, records: Records, tmp_path: Path
    ) -> None:
        raw = on_the_wire(signing, (1, None, "ines@letters.example.org", ""))

        assert judges.dkimpy(raw, records) == [True, True]
        assert judges.opendkim(raw, records, tmp_path) == ["pass", "pass"]

    def test_an_address_beyond_ascii_changes_nothing(
        self, signing: Settings, records: Records
    ) -> None:
        raw = message(template(signing), (1, 1, "アダ@bücher.example", "アダ"))

        assert judges.dkimpy(raw, records) == [True, True]

    def test_a_relay_may_add_its_own_lines_and_fold_ours_anew(
        self, raw: bytes, records: Records, tmp_path: Path
    ) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        refolded = re.sub(rb"\r\n[ \t]+", b" ", head).replace(b"; ", b";\r\n\t  ")
        refolded = refolded.replace(b"\r\nSubject: The ", b"\r\nSUBJECT:   The\r\n   ")
        trace = b"Received: from letters.example.org by mx.example.net;\r\n\tMon, 1 Dec 2025\r\n"
        relayed = (
            b"Return-Path: <bounces@letters.example.org>\r\n" + trace + refolded + b"\r\n\r\n"
        ) + body.replace(b"=\r\n", b"= \r\n")

        assert relayed.endswith(body[-20:])
        assert judges.dkimpy(relayed, records) == [True, True]
        assert judges.opendkim(relayed, records, tmp_path) == ["pass", "pass"]

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            (b"Subject: The bench", b"Subject: The bank"),
            (b"hidden dots", b"hidden bots"),
            (b"From: Ines", b"From: Iris"),
            (b"\r\nFrom: ", b"\r\nFrom: Iris <iris@example.net>\r\nFrom: "),
            (b"\r\nSubject: ", b"\r\nSubject: Win a bench\r\nSubject: "),
            (b"\r\nTo: ", b"\r\nTo: cas@example.org\r\nTo: "),
            (b"\r\nDate: ", b"\r\nDate: Mon, 1 Dec 2025 00:00:00 +0000\r\nDate: "),
            (b"\r\nReply-To: <desk", b"\r\nReply-To: <task"),
            (
                b"\r\nList-Unsubscribe: ",
                b"\r\nList-Unsubscribe: <https://example.net/>\r\nList-Unsubscribe: ",
            ),
            (
                b"\r\nList-Unsubscribe-Post: ",
                b"\r\nList-Unsubscribe-Post: no\r\nList-Unsubscribe-Post: ",
            ),
            (b"--\r\n", b"--\r\nOne more line.\r\n"),
        ],
        ids=lambda value: value.strip().decode()[:30],
    )
    def test_whoever_changes_or_adds_something_breaks_both(
        self, raw: bytes, records: Records, tmp_path: Path, was: bytes, becomes: bytes
    ) -> None:
        changed = raw.replace(was, becomes, 1)

        assert changed != raw
        assert judges.dkimpy(changed, records) == [False, False]
        assert judges.opendkim(changed, records, tmp_path) == ["fail", "fail"]

    def test_every_place_that_is_a_readers_own_is_covered(
        self, signing: Settings, raw: bytes, records: Records
    ) -> None:
        own = [
            "Ada Lovelace",
            "ada@example.org",
            links.unsubscribe(signing, 1).rpartition("/")[2],
            links.preferences(signing, 1).rpartition("/")[2],
            re.findall(r"Message-ID: <(.*?)@", raw.decode())[0],
        ]
        places = [at.start() for one in own for at in re.finditer(re.escape(one.encode()), raw)]

        assert len(places) >= 3 + 3 + 4 + 2 + 1
        for at in places:
            changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            assert judges.dkimpy(changed, records) == [False, False], raw[at - 40 : at + 20]

    @given(words=st.tuples(WORDS, WORDS, WORDS), subject=WORDS, name=WORDS)
    @ANY_SETTINGS
    def test_any_words_verify(
        self,
        signing: Settings,
        records: Records,
        *,
        words: tuple[str, str, str],
        subject: str,
        name: str,
    ) -> None:
        text, html, title = words
        letter = dataclasses.replace(
            LETTER,
            subject=subject,
            sender_name=title,
            text=f"{text}[[name]]{html}[[name]][[unsubscribe]]",
            html=f"{html}[[address]]\n[[name]]\n{text}",
        )

        raw = message(template(signing, letter), (1, 1, "ada@example.org", name))

        assert judges.dkimpy(raw, records) == [True, True]

    @given(
        shared=st.lists(st.text(alphabet=" \tab=", max_size=6), min_size=1, max_size=6),
        own=st.text(alphabet=" \tab", max_size=6),
        empty=st.integers(0, 3),
        ends_line=st.booleans(),
    )
    @ANY_SETTINGS
    def test_any_white_space_is_seen_as_judges_see_it(
        self,
        signing: Settings,
        records: Records,
        *,
        shared: list[str],
        own: str,
        empty: int,
        ends_line: bool,
    ) -> None:
        lines = "".join(f"{line}\r\n" for line in shared).encode()
        head = [b"From:  a@letters.example.org \r\n", None, b"Subject: a \t b\r\n\t c\r\n\r\n"]
        after = (b"\r\n" if ends_line else b"=\r\n") + lines + b"end\r\n" + b"\r\n" * empty
        body = [lines, None, after]
        whole = [head[0] or b"", b"To: \t<b@example.org>\r\n", head[2] or b"", lines]
        whole += [own.encode(), after]

        seal = dkim.Seal(dkim.signers(signing), head, body, date=SENT_AT)
        (field,) = seal.headers([whole])

        assert judges.dkimpy(b"".join([field, *whole]), records) == [True, True]


class TestTags:
    def test_the_signatures_come_first(self, raw: bytes) -> None:
        assert names(raw)[:3] == ["DKIM-Signature", "DKIM-Signature", "Date"]

    def test_one_is_of_the_kind_that_everybody_knows_and_one_of_the_newer(self, raw: bytes) -> None:
        for tags, algorithm, selector in zip(
            judges.signatures(raw),
            ["rsa-sha256", "ed25519-sha256"],
            ["bench-2026", "ed.bench"],
            strict=True,
        ):
            assert set(tags) == {"v", "a", "c", "d", "s", "t", "h", "bh", "b"}
            assert tags["v"] == "1"
            assert tags["a"] == algorithm
            assert tags["c"] == "relaxed/relaxed"
            assert tags["d"] == "letters.example.org"
            assert tags["s"] == selector
            assert int(tags["t"]) * 1000 == SENT_AT

    def test_every_header_is_signed(self, raw: bytes) -> None:
        for tags in judges.signatures(raw):
            assert set(names(raw)) - {"DKIM-Signature"} <= set(tags["h"].split(":"))

    def test_what_a_provider_looks_at_is_signed_even_where_it_is_missing(
        self, signing: Settings
    ) -> None:
        letter = dataclasses.replace(LETTER, reply_to="")

        (listed, _) = [tags["h"] for tags in judges.signatures(message(template(signing, letter)))]

        assert {
            *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version"),
            *("Content-Type", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
            *("Feedback-ID", "List-Help", "List-Archive", "List-Post", "List-Owner"),
        } == set(listed.split(":"))

    @pytest.mark.parametrize(
        "name", ["From", "Subject", "To", "Date", "List-Unsubscribe", "List-Unsubscribe-Post"]
    )
    def test_nobody_can_add_a_second_one(self, raw: bytes, name: str) -> None:
        for tags in judges.signatures(raw):
            assert tags["h"].split(":").count(name) == names(raw).count(name) + 1

    def test_no_line_is_long(self, raw: bytes) -> None:
        head = raw[: raw.index(b"\r\nDate: ")]

        assert max(map(len, head.split(b"\r\n"))) <= 78

    def test_a_copy_has_the_very_same_bytes(self, signing: Settings) -> None:
        assert message(template(signing)) == message(template(signing))

    def test_all_else_is_as_it_would_be_unsigned(self, configured: Settings, raw: bytes) -> None:
        assert raw.endswith(message(template(configured)))

    def test_without_a_key_nothing_is_signed(self, configured: Settings) -> None:
        assert "DKIM-Signature" not in names(message(template(configured)))

    def test_one_key_is_enough(self, signing: Settings, records: Records) -> None:
        alone = dataclasses.replace(signing, dkim_keys=signing.dkim_keys[:1])

        assert judges.dkimpy(message(template(alone)), records) == [True]

    def test_the_domain_may_be_one_above_the_senders(self, signing: Settings) -> None:
        above = dataclasses.replace(
            signing, dkim=dataclasses.replace(signing.dkim, domain="Example.ORG")
        )

        raw = message(template(above))

        assert [tags["d"] for tags in judges.signatures(raw)] == ["example.org"] * 2
        records = dict(dkim.record(signer) for signer in dkim.signers(above))
        assert judges.dkimpy(raw, records) == [True, True]

    def test_an_international_domain_is_written_in_ascii(self, signing: Settings) -> None:
        abroad = dataclasses.replace(
            signing, dkim=dataclasses.replace(signing.dkim, domain="bücher.example")
        )

        assert dkim.domain(abroad) == "xn--bcher-kva.example"


class TestKeys:
    def test_the_record_fits_the_dns(self, signing: Settings) -> None:
        records = [dkim.record(signer) for signer in dkim.signers(signing)]

        assert [record.name for record in records] == [
            "bench-2026._domainkey.letters.example.org",
            "ed.bench._domainkey.letters.example.org",
        ]
        for record in records:
            assert max(map(len, record.strings)) <= 255
            assert "".join(record.strings) == record.value
        assert records[0].value.startswith("v=DKIM1; k=rsa; p=MII")
        assert records[1].value.startswith("v=DKIM1; k=ed25519; p=")

    def test_a_new_key_is_long_enough(self, keys: dict[dkim.Kind, bytes]) -> None:
        key = load_pem_private_key(keys["rsa"], None)

        assert isinstance(key, RSAPrivateKey)
        assert key.key_size == 2048

    @pytest.mark.parametrize(
        ("bad", "why"),
        [
            (lambda: b"", "is not a private key in PEM; move it away, and make one with"),
            (lambda: b"-----BEGIN PRIVATE KEY-----\nAA\n", "is not a private key in PEM"),
            (short, "is a key of 1024 bits, and mailbox providers ask for 2048"),
            (locked, "is locked with a password"),
            (damaged, "is damaged. Restore it from a backup"),
            (lambda: dkim.new_key("ed25519"), "is not an RSA key"),
            (curve, "is not an RSA key"),
        ],
        ids=["empty", "cut off", "short", "locked", "damaged", "other kind", "curve"],
    )
    def test_one_that_cannot_be_used_is_named_with_the_cure(
        self, signing: Settings, bad: Callable[[], bytes], why: str
    ) -> None:
        rsa, ed = signing.dkim_keys
        wrong = dataclasses.replace(signing, dkim_keys=(dataclasses.replace(rsa, pem=bad()), ed))

        with pytest.raises(Misconfigured) as caught:
            dkim.signers(wrong)

        (found,) = caught.value.problems
        assert found.startswith(f"{rsa.path}: {why}")

    def test_all_that_cannot_be_used_are_named_at_once(self, signing: Settings) -> None:
        rsa, ed = signing.dkim_keys
        swapped = (dataclasses.replace(rsa, pem=ed.pem), dataclasses.replace(ed, pem=rsa.pem))

        with pytest.raises(Misconfigured) as caught:
            dkim.signers(dataclasses.replace(signing, dkim_keys=swapped))

        assert [problem.partition(";")[0] for problem in caught.value.problems] == [
            f"{rsa.path}: is not an RSA key",
            f"{ed.path}: is not an Ed25519 key",
        ]

    def test_a_key_never_shows_itself(self, signing: Settings) -> None:
        shown = repr(signing) + repr(signing.dkim_keys) + repr(dkim.signers(signing))

        assert "PRIVATE" not in shown
        assert "BEGIN" not in shown
