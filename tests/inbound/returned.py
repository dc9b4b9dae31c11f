"""Mail that came back, as the mail servers of this world write it; every name is invented."""

import base64
from dataclasses import dataclass

from connector.database import Database
from connector.delivery import ledger, mailings, mime
from connector.delivery import store as letters_of
from connector.delivery.outcome import Outcome
from connector.inbound import bounces, store
from connector.inbound.bounce import Inbound, Received
from connector.settings import Settings
from tests.delivery import post


@dataclass(frozen=True)
class Sent:
    """A letter that a relay took: its delivery, where its bounce goes, its Message-ID."""

    delivery: int
    mailing: int
    address: str
    verp: str
    message_id: str


def letter(
    db: Database, settings: Settings, *, now: int, once: str = "issue:bench", people: int = 1
) -> Sent:
    """Mail one issue to reader1 (and others), and let the relay take it."""
    mailing = post.mail(db, people, now=now, once=once)
    lease = post.take(db, now=now)
    with db.read() as connection:
        letters = letters_of.due(connection, lease, now=now)
    handed = post.hand_over(db, lease, letters, now=now)
    post.settle(db, lease, handed, Outcome("sent", "250 ok"), now=now)
    ledger.release(db, lease, worker="anna", now=now)
    return of(db, settings, handed[0].id, mailing=mailing, now=now)


def of(db: Database, settings: Settings, delivery: int, *, mailing: int, now: int) -> Sent:
    template = mime.Template(post.LETTER, settings, mailing=mailing, kind="issue", date=now)
    message = template.message(delivery=delivery, recipient=1, address="x@example.org", name="")
    message_id = next(
        line.removeprefix(b"Message-ID: ").decode()
        for line in message.splitlines()
        if line.startswith(b"Message-ID: ")
    )
    with db.read() as connection:
        address = connection.value("SELECT address FROM deliveries WHERE id = :id", id=delivery)
    return Sent(delivery, mailing, address, mime.envelope_sender(settings, delivery), message_id)


def report(
    sent: Sent,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    diagnostic: str = "smtp; 550 5.1.1 <reader1@example.org>: Recipient address rejected",
    returned: str = "",
    to: str | None = None,
) -> bytes:
    """A bounce as Postfix writes it (RFC 3464)."""
    return f"""Return-Path: <>
Delivered-To: {sent.verp if to is None else to}
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {sent.verp if to is None else to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="9B095B5ADSN=_01C2"
Message-Id: <20261120101112.9B095B5@mx.example.net>

This is a MIME-encapsulated message.

--9B095B5ADSN=_01C2
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

<{sent.address}>: host mx.example.org[192.0.2.1] said: 550 5.1.1

--9B095B5ADSN=_01C2
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 9B095B5
X-Postfix-Sender: rfc822; {sent.verp if to is None else to}
Arrival-Date: Fri, 20 Nov 2026 10:11:10 +0000 (UTC)

Final-Recipient: rfc822; {sent.address}
Original-Recipient: rfc822;{sent.address}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.org
Diagnostic-Code: {diagnostic}

--9B095B5ADSN=_01C2
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

{returned}Subject: The bench
From: Ines Marlow <ines@letters.example.org>

--9B095B5ADSN=_01C2--
""".encode()


def by_exim(sent: Sent, *, reply: str = "550 5.1.1 no such user") -> bytes:
    return f"""Return-path: <>
Envelope-to: {sent.verp}
X-Failed-Recipients: {sent.address}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example.net>
To: {sent.verp}
References: {sent.message_id}
Content-Type: multipart/report; report-type=delivery-status; boundary=1763657000-eximdsn-1
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender

--1763657000-eximdsn-1
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {sent.address}
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<{sent.address}>:
    {reply}

--1763657000-eximdsn-1
Content-type: message/delivery-status

Reporting-MTA: dns; exim.example.net

Action: failed
Final-Recipient: rfc822;{sent.address}
Status: 5.0.0
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; {reply}

--1763657000-eximdsn-1
Content-type: message/rfc822

Return-path: <{sent.verp}>
Message-ID: {sent.message_id}
Subject: The bench

Hello.

--1763657000-eximdsn-1--
""".encode()


def by_old_exim(sent: Sent) -> bytes:
    """Before 4.85 Exim wrote no report that a machine could read."""
    return f"""Return-path: <>
X-Failed-Recipients: {sent.address}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example.net>
To: {sent.verp}
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {sent.address}
    SMTP error from remote mail server after RCPT TO:<{sent.address}>:
    host mx.example.org [192.0.2.1]: 550 5.1.1 <{sent.address}>... User unknown

------ This is a copy of the message, including all the headers. ------

Message-ID: {sent.message_id}
Subject: 550 5.2.2 words of ours that must not be read as theirs
""".encode()


def by_exchange(sent: Sent) -> bytes:
    """Exchange: the text in base64, the report in CRLF, the returned letter in full."""
    text = base64.encodebytes("Ihre Nachricht konnte nicht übermittelt werden.".encode()).decode()
    return f"""From: <postmaster@outlook.example.com>
To: <{sent.verp}>
Subject: =?utf-8?B?{base64.b64encode(b"Unzustellbar: Die Bank").decode()}?=
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="c4b7a1f2-0000-4b5e-9a11-1f0000000000"
X-MS-Exchange-Message-Is-Ndr:
X-Auto-Response-Suppress: DR, OOF, AutoReply
In-Reply-To: {sent.message_id}

--c4b7a1f2-0000-4b5e-9a11-1f0000000000
Content-Type: multipart/alternative; differences=Content-Type;
 boundary="5b7c0000-1111-4b5e-9a11-1f0000000000"

--5b7c0000-1111-4b5e-9a11-1f0000000000
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: base64

{text}
--5b7c0000-1111-4b5e-9a11-1f0000000000--

--c4b7a1f2-0000-4b5e-9a11-1f0000000000
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR01.eurprd01.prod.outlook.example.com
Received-From-MTA: dns;mail.letters.example.org
Arrival-Date: Fri, 20 Nov 2026 10:11:10 +0000

Original-Recipient: rfc822;{sent.address}
Final-Recipient: rfc822;{sent.address}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found

--c4b7a1f2-0000-4b5e-9a11-1f0000000000
Content-Type: message/rfc822

Message-ID: {sent.message_id}
Subject: The bench

Hello.

--c4b7a1f2-0000-4b5e-9a11-1f0000000000--
""".replace("\n", "\r\n").encode()


def by_qmail(sent: Sent, *, reason: str = "Sorry, no mailbox here by that name. (#5.1.1)") -> bytes:
    """qmail's own format, of 1997 and still about (QSBMF)."""
    return f"""Return-Path: <>
Delivered-To: {sent.verp}
Date: 20 Nov 2026 10:11:12 -0000
From: MAILER-DAEMON@qmail.example.net
To: {sent.verp}
Subject: failure notice

Hi. This is the qmail-send program at qmail.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{sent.address}>:
{reason}

--- Below this line is a copy of the message.

Return-Path: <{sent.verp}>
Message-ID: {sent.message_id}
""".encode()


def by_gmail(sent: Sent) -> bytes:
    return f"""Return-Path: <>
Delivered-To: {sent.verp}
MIME-Version: 1.0
From: Mail Delivery Subsystem <mailer-daemon@googlemail.example.com>
To: {sent.verp}
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)
References: {sent.message_id}
In-Reply-To: {sent.message_id}
X-Failed-Recipients: {sent.address}
Content-Type: multipart/report; boundary="000000000000c0ffee0617f6a3c5"; report-type=delivery-status

--000000000000c0ffee0617f6a3c5
Content-Type: multipart/related; boundary="000000000000c0ffee0617f6a3cd"

--000000000000c0ffee0617f6a3cd
Content-Type: text/plain; charset="UTF-8"

** Address not found **

--000000000000c0ffee0617f6a3cd--
--000000000000c0ffee0617f6a3c5
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.example.com
Arrival-Date: Fri, 20 Nov 2026 02:11:10 -0800 (PST)
X-Original-Message-ID: {sent.message_id}

Final-Recipient: rfc822; {sent.address}
Action: failed
Status: 5.1.1
Remote-MTA: dns; gmail-smtp-in.l.example.com
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
 550-5.1.1 double-checking the recipient's email address for typos
 550 5.1.1 NoSuchUser a1-20020 - gsmtp
Last-Attempt-Date: Fri, 20 Nov 2026 02:11:11 -0800 (PST)

--000000000000c0ffee0617f6a3c5
Content-Type: message/rfc822

Message-ID: {sent.message_id}

--000000000000c0ffee0617f6a3c5--
""".encode()


def complaint(
    sent: Sent, *, kind: str = "abuse", to: str = "feedback@letters.example.org", verp: str = ""
) -> bytes:
    """A complaint by RFC 5965, its reader blacked out as Yahoo and the others do."""
    return f"""From: <abusedesk@example.com>
To: <{to}>
Subject: FW: The bench
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1_13d.2e68ed54"

--part1_13d.2e68ed54
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report for an email message received from IP 192.0.2.7.

--part1_13d.2e68ed54
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{verp}>
Original-Rcpt-To: <redacted@example.com>
Reported-Domain: letters.example.org

--part1_13d.2e68ed54
Content-Type: message/rfc822
Content-Disposition: inline

From: Ines Marlow <ines@letters.example.org>
To: <redacted@example.com>
Subject: The bench
Message-ID: {sent.message_id}

Hello.

--part1_13d.2e68ed54--
""".encode()


def away(sent: Sent, lines: str) -> bytes:
    """A reader's own mail program answers; `lines` are its headers."""
    return f"""From: reader1@example.org
To: {sent.verp}
In-Reply-To: {sent.message_id}
{lines}

I am away until Monday.
""".encode()


def receive(
    db: Database, settings: Settings, raw: bytes, *, now: int, recipient: str = ""
) -> Received:
    return bounces.receive(
        db, settings, raw, recipient=recipient, source="test", leave=nobody_leaves, now=now
    )


def nobody_leaves(_reader: int, _how: str) -> None:
    pass


def why(db: Database, address: str = "reader1@example.org") -> str:
    """Why an address is not written to any more; empty when it is."""
    with db.read() as connection:
        found = mailings.suppression(connection, address)
    return found.why if found else ""


def recorded(db: Database) -> list[Inbound]:
    with db.read() as connection:
        return connection.all(f"{store.INBOUND} ORDER BY id", into=Inbound)
