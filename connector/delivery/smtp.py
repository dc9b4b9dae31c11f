"""The conversation with the mail relay, one letter and one recipient at a time.

aiosmtplib connects, secures and signs in; the letters are ours to hand over, because the
moment after the final dot needs an answer of its own. Nothing is sent in the open, and
nothing a server says is raised: it is an Outcome.
"""

import contextlib
import functools
import ipaddress
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import aiosmtplib

from connector.delivery.encoding import (
    ascii_domain,
    is_ordinary,
    is_sendable,
    needs_smtputf8,
    on_the_wire,
)
from connector.delivery.outcome import CLOSING, Kind, Outcome, Stage, judge, printable
from connector.delivery.pipelining import STOPPED, Envelope, Line, Supply
from connector.errors import RelayBusy, RelayUnavailable
from connector.settings import RelaySettings, Settings

if TYPE_CHECKING:
    import asyncio

GO_AHEAD = 354  # RFC 5321 section 4.3.2: the only answer to DATA that invites the content
ACCEPTED = range(200, 300)
GOODBYE_SECONDS = 5


@dataclass(frozen=True)
class Relay:
    """Where letters leave through: `security` is starttls, tls or none (loopback only).

    `section` is where the settings speak of it, so that an error can say where to look.
    """

    host: str
    port: int
    security: str
    user: str = ""
    password: str = field(default="", repr=False)
    hello: str = "localhost"
    section: str = "mail"

    @classmethod
    def of(cls, settings: Settings, relay: RelaySettings) -> "Relay":
        """One of the relays that the settings name."""
        ours = settings.domain if settings.is_local else settings.host
        is_first = relay not in settings.further_relays
        return cls(
            host=relay.host,
            port=relay.port,
            security=relay.security,
            user=relay.user,
            password=relay.password,
            hello=hello_name(settings.mail.hello or ours),
            section="mail" if is_first else f"relays.{relay.name}",
        )

    @property
    def secret(self) -> str:
        """The variable in the environment that has its password."""
        return f"CONNECTOR_{self.section.replace('.', '_').upper()}_PASSWORD"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, so that nobody can listen on the way."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for each answer (RFC 5321 section 4.5.3.2)."""

    connect: float = 60
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    content: float = 600
    # Some middle boxes offer PIPELINING and lose what they did not expect; that is found out
    # with the first letter, which waits no longer than this.
    group: float = 60


def hello_name(name: str) -> str:
    """A name fit for EHLO: a host name in ASCII, or an address in brackets (RFC 5321 4.1.3)."""
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(name)
        return f"[{'IPv6:' if found.version == 6 else ''}{found}]"  # noqa: PLR2004
    name = ascii_domain(name)
    return name if re.fullmatch(r"[A-Za-z0-9.-]+|\[[A-Za-z0-9.:]+\]", name) else "localhost"


async def connect(
    relay: Relay,
    *,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
    in_groups: bool = True,
) -> "Conversation":
    """Reach the relay, make the line private, sign in.

    Raises RelayUnavailable with one sentence that says what is wrong and what to do. `tls`
    is whom to trust; the system's authorities when left out. `in_groups` uses PIPELINING
    where the relay offers it.
    """
    if relay.security == "none" and not relay.is_loopback:
        raise RelayUnavailable(
            f"The relay {relay.host} is not on this machine, and letters and passwords do not "
            f"travel in the open: set [{relay.section}] security to starttls or tls."
        )
    patience = patience or Patience()
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.security == "tls",
        start_tls=False,  # done below, where its absence can be told from its failure
        local_hostname=relay.hello,
        timeout=patience.connect,
        tls_context=None if relay.security == "none" else tls or _authorities(),
    )
    try:
        with _explained(relay, patience):
            await client.connect()
            await client.ehlo()
            if relay.security == "starttls":
                await _secure(client, relay)
            if relay.user:
                await _sign_in(client, relay)
    except BaseException:
        client.close()
        raise
    return Conversation(client, patience, in_groups=in_groups)


class Conversation:
    """An open line to the relay. One letter at a time; never shared between tasks."""

    def __init__(self, client: aiosmtplib.SMTP, patience: Patience, *, in_groups: bool) -> None:
        self._client = client
        self._patience = patience
        self._limit = _size_limit(client)
        self._tells_size = client.supports_extension("size")
        self._in_groups = in_groups
        self._is_handing_over = False
        self.takes_groups = True  # False when it offered PIPELINING and did not mean it
        self._line: Line | None = None

    @property
    def is_open(self) -> bool:
        """Whether another letter may be handed over; once False, always False."""
        return self._line.is_open if self._line else self._client.is_connected

    async def work(self, supply: Supply) -> None:
        """Hand over what `supply` has until it has no more or the line ends.

        In groups where the relay takes them (RFC 2920), one at a time else. When this is
        cancelled the line is closed, and letters under way are settled as what they are.
        """
        transport = self._client.transport
        if self._in_groups and self._offers("pipelining") and transport is not None:
            patience = self._patience
            self._line = Line(
                # uvloop's transports are asyncio's in all but their ancestry.
                cast("asyncio.Transport", transport),
                self.commands,
                first=patience.group,
                commands=patience.mail,
                dot=patience.content,
            )
            await self._line.run(supply)
            self.takes_groups = not self._line.is_deaf
            return
        while self.is_open and (envelope := supply.next_nowait() or await supply.next()):
            try:
                outcome = await self.send(
                    sender=envelope.sender, recipient=envelope.recipient, message=envelope.message
                )
            except BaseException:
                # RFC 1047: once the content is on its way, the relay may have taken the letter.
                kind: Kind = "uncertain" if self._is_handing_over else "unreached"
                supply.settle(envelope, Outcome(kind, STOPPED))
                raise
            supply.settle(envelope, outcome)

    async def send(self, *, sender: str, recipient: str, message: bytes) -> Outcome:
        """Hand one letter to the relay for one recipient; what became of it.

        `message` has CRLF line ends only. When this is cancelled the line is closed, and the
        letter must be counted as uncertain.
        """
        impossible = self._impossible(sender, recipient, len(message))
        if impossible:
            return impossible
        self._is_handing_over = False
        try:
            outcome = await self._transact(on_the_wire(sender), on_the_wire(recipient), message)
            await self._settle(outcome)
        except BaseException:
            self._client.close()
            raise
        return outcome

    async def quit(self) -> None:
        """Say goodbye and hang up; harmless on a line that is already dead."""
        if self._line:
            await self._line.quit(GOODBYE_SECONDS)
            return
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=GOODBYE_SECONDS)
        self._client.close()

    def commands(self, envelope: Envelope) -> bytes | Outcome:
        """MAIL, RCPT and DATA for a letter, or why this relay cannot take it."""
        sender, recipient, size = envelope.sender, envelope.recipient, envelope.size
        if size <= self._limit and is_ordinary(sender) and is_ordinary(recipient):
            told = f" SIZE={size}" if self._tells_size else ""
            mail = f"MAIL FROM:<{sender}>{told}"
        else:
            impossible = self._impossible(sender, recipient, size)
            if impossible:
                return impossible
            sender, recipient = on_the_wire(sender), on_the_wire(recipient)
            mail = self._mail(sender, recipient, size)
        return f"{mail}\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()

    def _impossible(self, sender: str, recipient: str, size: int) -> Outcome | None:
        """A letter that this relay cannot take, whoever asks."""
        if not is_sendable(sender):
            return _refused(f"“{sender}” cannot be the sender of a letter.", "mail")
        if not is_sendable(recipient):
            return _refused(f"“{recipient}” is not an address a letter can be sent to.", "rcpt")
        if _is_international(sender, recipient) and not self._offers("smtputf8"):
            return _refused("The relay does not take international addresses (SMTPUTF8).", "rcpt")
        if size > self._limit:
            return _refused(
                f"The letter is {size} bytes; the relay takes {self._limit} at most.", "mail"
            )
        return None

    async def _transact(self, sender: str, recipient: str, message: bytes) -> Outcome:
        patience = self._patience
        steps: tuple[tuple[Stage, str, float], ...] = (
            ("mail", self._mail(sender, recipient, len(message)), patience.mail),
            ("rcpt", f"RCPT TO:<{recipient}>", patience.rcpt),
            ("data", "DATA", patience.data),
        )
        for stage, command, wait in steps:
            outcome = await self._ask(stage, command, wait)
            if outcome:
                return outcome
        return await self._hand_over(message)

    def _mail(self, sender: str, recipient: str, size: int) -> str:
        told = f" SIZE={size}" if self._tells_size else ""
        utf8 = " SMTPUTF8" if _is_international(sender, recipient) else ""
        return f"MAIL FROM:<{sender}>{told}{utf8}"

    async def _ask(self, stage: Stage, command: str, wait: float) -> Outcome | None:
        """Give one command; None when the relay says to go on."""
        try:
            code, text = await self._client.execute_command(command.encode(), timeout=wait)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome("unreached", printable(str(error)), stage=stage)
        wanted = (GO_AHEAD,) if stage == "data" else ACCEPTED
        return None if code in wanted else judge(code, text, stage=stage)

    async def _hand_over(self, message: bytes) -> Outcome:
        protocol = self._client.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            self._is_handing_over = True
            protocol.write(_content(message))
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome("unreached", printable(str(error)), stage="content")
        try:
            code, text = await protocol.read_response(timeout=self._patience.content)
        except (aiosmtplib.SMTPException, OSError) as error:
            # RFC 1047: the relay may have taken the letter before the line broke.
            return Outcome("uncertain", printable(str(error)), stage="content")
        return judge(code, text, stage="content")

    async def _settle(self, outcome: Outcome) -> None:
        """Leave the line ready for the next letter, or closed."""
        if outcome.is_goodbye or outcome.kind in ("unreached", "uncertain"):
            self._client.close()
        elif outcome.stage in ("rcpt", "data"):
            try:
                await self._client.rset(timeout=self._patience.mail)
            except (aiosmtplib.SMTPException, OSError):
                self._client.close()

    def _offers(self, extension: str) -> bool:
        return self._client.supports_extension(extension)


def _content(message: bytes) -> bytes:
    # RFC 5321 section 4.5.2. Our own letters have no such line, so this only looks.
    if b"\r\n." in message or message.startswith(b"."):
        message = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    return message + (b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n")


def _refused(why: str, stage: Stage) -> Outcome:
    return Outcome("refused", printable(why), stage=stage)


def _is_international(*addresses: str) -> bool:
    return not "".join(addresses).isascii() and any(map(needs_smtputf8, addresses))


def _size_limit(client: aiosmtplib.SMTP) -> int:
    """The largest message the relay takes (RFC 1870)."""
    words = client.esmtp_extensions.get("size", "").split()
    # "If a numeric value of zero is specified, no fixed maximum message size is in force."
    return (int(words[-1]) if words and words[-1].isdecimal() else 0) or sys.maxsize


# Connecting


@functools.cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _secure(client: aiosmtplib.SMTP, relay: Relay) -> None:
    if not client.supports_extension("starttls"):
        raise RelayUnavailable(
            f"The relay {_at(relay)} offers no STARTTLS, and letters do not travel in the open: "
            'use its port for TLS (often 465, with security = "tls"), or another relay.'
        )
    await client.starttls()
    await client.ehlo()


async def _sign_in(client: aiosmtplib.SMTP, relay: Relay) -> None:
    if not client.supported_auth_methods:
        raise RelayUnavailable(
            f"The relay {_at(relay)} does not let anyone sign in there: remove "
            f"[{relay.section}] user, or "
            "use its submission port (587 or 465)."
        )
    try:
        await client.login(relay.user, relay.password)
    except aiosmtplib.SMTPAuthenticationError as error:
        cure = (
            f"check {relay.secret}."
            if error.code >= 500  # noqa: PLR2004 - RFC 4954 section 4: 454 is a passing failure
            else "it may work later."
        )
        raise RelayUnavailable(
            f"The relay refused user “{relay.user}” ({_answer(error)}): {cure}"
        ) from None
    except aiosmtplib.SMTPServerDisconnected:
        raise RelayUnavailable(
            f"The relay {_at(relay)} hung up while user “{relay.user}” signed in: "
            f"check {relay.secret}."
        ) from None


@contextlib.contextmanager
def _explained(relay: Relay, patience: Patience) -> Iterator[None]:
    try:
        yield
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        is_busy = any(
            isinstance(cause, aiosmtplib.SMTPResponseException) and cause.code == CLOSING
            for cause in _causes(error)
        )
        kind = RelayBusy if is_busy else RelayUnavailable
        raise kind(_why(relay, patience, error)) from error


def _why(relay: Relay, patience: Patience, error: BaseException) -> str:
    """One sentence on what is wrong with the relay, and the cure."""
    for cause in _causes(error):
        if words := _words(relay, patience, cause):
            return f"The relay {_at(relay)} {words}"
    return f"The relay {_at(relay)} cannot be reached: {printable(str(error)).rstrip('.')}."


def _words(relay: Relay, patience: Patience, cause: BaseException) -> str:
    match cause:
        case ssl.SSLCertVerificationError():
            why = (
                f"cannot be trusted: {cause.verify_message.rstrip('.')}. "
                f"Check [{relay.section}] host, or have its certificate renewed."
            )
        case ssl.SSLError():
            why = (
                f"does not speak TLS as we ask ({cause.reason}): port 465 usually wants "
                'security = "tls", port 587 "starttls".'
            )
        case socket.gaierror():
            why = f"is not to be found: check [{relay.section}] host ({relay.host}) and your DNS."
        case ConnectionRefusedError():
            why = f"does not answer: check [{relay.section}] host and port, and that it runs."
        case TimeoutError():
            why = (
                f"said nothing for {patience.connect:g} seconds: check [{relay.section}] port and security, "
                "and whether a firewall is between."
            )
        case aiosmtplib.SMTPResponseException():
            why = (
                f"turns us away: “{_answer(cause)}”. "
                "If it stays so, ask its operator whether this machine may send."
            )
        case ConnectionResetError() | aiosmtplib.SMTPServerDisconnected():
            why = f"hung up before we could speak: check [{relay.section}] port and security."
        case _:
            why = ""
    return why


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The innermost cause first: it knows best what happened."""
    if error is not None:
        yield from _causes(error.__cause__)
        yield error


def _answer(error: aiosmtplib.SMTPResponseException) -> str:
    return printable(f"{error.code} {error.message}")


def _at(relay: Relay) -> str:
    return f"{relay.host}:{relay.port}"
