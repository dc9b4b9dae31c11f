"""Connecting, securing the line, signing in; and what an operator reads when it does not work."""

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.delivery import smtp
from connector.delivery.smtp import Patience, Relay, hello_name
from connector.errors import RelayUnavailable
from connector.settings import Settings, load
from tests.conftest import TOML
from tests.fakes.certificates import Certificate, certificate
from tests.fakes.smtp import HANG_UP, SILENCE, FakeRelay

MESSAGE = b"Subject: Hello\r\n\r\nHello.\r\n"
BRIEF = Patience(connect=0.2, mail=0.2, rcpt=0.2, data=0.2, content=0.2)


def reach(
    fake: FakeRelay, relay: Callable[[], Relay] | None = None, trusted: Certificate | None = None
) -> None:
    """Connect, send one letter, say goodbye."""

    async def go() -> None:
        async with fake:
            line = await smtp.connect(
                (relay or fake.relay)(), patience=BRIEF, tls=trusted.client if trusted else None
            )
            outcome = await line.send(
                sender="bounces@example.org", recipient="ada@example.org", message=MESSAGE
            )
            assert outcome.kind == "sent"
            await line.quit()

    asyncio.run(go())


def why(
    fake: FakeRelay, relay: Callable[[], Relay] | None = None, trusted: Certificate | None = None
) -> str:
    """The sentence an operator reads."""
    with pytest.raises(RelayUnavailable) as caught:
        reach(fake, relay, trusted)
    assert not fake.received
    return str(caught.value)


@pytest.fixture
def good(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


class TestSecurity:
    def test_starttls_comes_before_anything_private(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server, users={"ines": "let me in"})

        reach(fake, lambda: fake.relay(user="ines", password="let me in"), good)

        assert fake.received[0].is_tls
        assert [command.split(" ", 1)[0] for command in fake.commands[:4]] == [
            *("EHLO", "STARTTLS", "EHLO", "AUTH")
        ]

    def test_tls_from_the_first_byte(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server, is_implicit=True)

        reach(fake, trusted=good)

        assert fake.received[0].is_tls

    def test_a_relay_without_starttls_gets_nothing(self) -> None:
        fake = FakeRelay()

        said = why(fake, lambda: fake.relay(security="starttls"))

        assert "offers no STARTTLS" in said
        assert [command.split(" ")[0] for command in fake.commands] == ["EHLO"]

    def test_a_relay_that_refuses_starttls_gets_nothing(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server)
        fake.answer("STARTTLS", "454 4.7.0 TLS not available")

        assert "turns us away: “454 4.7.0 TLS not available”" in why(fake, trusted=good)

    def test_a_plain_line_is_only_for_this_machine(self) -> None:
        relay = Relay("relay.example.net", 25, "none", user="ines", password="let me in")

        with pytest.raises(RelayUnavailable, match="do not travel in the open"):
            asyncio.run(smtp.connect(relay))

    @pytest.mark.parametrize("is_implicit", [True, False])
    def test_an_expired_certificate_is_refused(self, tmp_path: Path, is_implicit: bool) -> None:
        expired = certificate(tmp_path, days=-1)
        fake = FakeRelay(tls=expired.server, is_implicit=is_implicit)

        assert "cannot be trusted: certificate has expired" in why(fake, trusted=expired)

    @pytest.mark.parametrize("is_implicit", [True, False])
    def test_a_certificate_for_another_host_is_refused(
        self, tmp_path: Path, is_implicit: bool
    ) -> None:
        other = certificate(tmp_path, host="elsewhere.example.net")
        fake = FakeRelay(tls=other.server, is_implicit=is_implicit)

        said = why(fake, trusted=other)

        assert "cannot be trusted: IP address mismatch" in said
        assert "Check [mail] host" in said

    def test_a_certificate_nobody_vouches_for_is_refused(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server)

        assert "cannot be trusted: unable to get local issuer certificate" in why(fake)

    def test_tls_on_a_port_that_speaks_plain_says_which_port_wants_what(
        self, good: Certificate
    ) -> None:
        fake = FakeRelay()

        said = why(fake, lambda: fake.relay(security="tls"), good)

        assert "does not speak TLS as we ask" in said
        assert "587" in said

    def test_plain_on_a_port_that_speaks_tls_gives_up_in_time(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server, is_implicit=True)

        assert "said nothing for 0.2 seconds" in why(fake, lambda: fake.relay(security="none"))


class TestSigningIn:
    def test_a_wrong_password_names_the_user_and_the_cure_but_not_the_password(
        self, good: Certificate
    ) -> None:
        fake = FakeRelay(tls=good.server, users={"ines": "let me in"})

        said = why(fake, lambda: fake.relay(user="ines", password="open sesame"), good)

        assert "refused user “ines” (535 5.7.8 wrong)" in said
        assert "CONNECTOR_MAIL_PASSWORD" in said
        assert "sesame" not in said

    def test_a_passing_failure_does_not_blame_the_password(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server, users={"ines": "let me in"})
        fake.answer("AUTH", "454 4.7.0 try later")

        said = why(fake, lambda: fake.relay(user="ines", password="let me in"), good)

        assert said.endswith("(454 4.7.0 try later): it may work later.")

    def test_a_relay_that_hangs_up_on_the_password_says_to_check_it(
        self, good: Certificate
    ) -> None:
        fake = FakeRelay(tls=good.server, users={"ines": "let me in"})
        fake.answer("AUTH", HANG_UP)

        said = why(fake, lambda: fake.relay(user="ines", password="let me in"), good)

        assert "check CONNECTOR_MAIL_PASSWORD" in said

    def test_a_relay_without_accounts_is_explained(self, good: Certificate) -> None:
        fake = FakeRelay(tls=good.server)

        said = why(fake, lambda: fake.relay(user="ines", password="let me in"), good)

        assert "does not let anyone sign in there" in said

    def test_the_password_is_not_shown_with_the_relay(self) -> None:
        relay = Relay("relay.example.net", 587, "starttls", "ines", "let me in")

        assert "let me in" not in repr(relay)


class TestTrouble:
    def test_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]

            with pytest.raises(RelayUnavailable, match=r"does not answer: check \[mail\] host"):
                asyncio.run(smtp.connect(Relay("127.0.0.1", port, "none")))

    def test_the_name_is_unknown(self) -> None:
        relay = Relay("relay.invalid", 587, "starttls")

        with pytest.raises(RelayUnavailable, match=r"check \[mail\] host \(relay.invalid\)"):
            asyncio.run(smtp.connect(relay, patience=BRIEF))

    @pytest.mark.parametrize("greeting", ["554 no mail from you", "421 4.3.2 too busy"])
    def test_the_greeting_is_a_refusal(self, greeting: str) -> None:
        fake = FakeRelay()
        fake.answer("GREETING", greeting)

        assert f"turns us away: “{greeting}”" in why(fake)

    def test_the_greeting_never_comes(self) -> None:
        fake = FakeRelay()
        fake.answer("GREETING", SILENCE)

        assert "said nothing for 0.2 seconds" in why(fake)

    @pytest.mark.parametrize("step", ["GREETING", "EHLO"])
    def test_it_hangs_up_at_once(self, step: str) -> None:
        fake = FakeRelay()
        fake.answer("EHLO" if step == "EHLO" else "GREETING", HANG_UP)

        assert "hung up before we could speak" in why(fake)


def hello_of(settings: Settings) -> str:
    mail = dataclasses.replace(settings.mail, host="relay.example.org")
    relayed = dataclasses.replace(settings, mail=mail)
    return Relay.of(relayed, relayed.relays[0]).hello


class TestTheNameWeGive:
    def test_it_is_the_sites(self, configured: Settings) -> None:
        assert hello_of(configured) == "letters.example.org"

    def test_a_site_on_this_machine_gives_the_senders_domain(self, root: Path) -> None:
        local = TOML.replace("https://letters.example.org", "http://127.0.0.1:8000")
        (root / "connector.toml").write_text(local, encoding="utf-8")

        assert hello_of(load(root, {})) == "letters.example.org"

    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("mail.example.org", "mail.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
            ("not a name\r\nMAIL", "localhost"),
            ("", "localhost"),
        ],
    )
    def test_whatever_is_configured_it_is_a_name(self, name: str, given: str) -> None:
        assert hello_name(name) == given
