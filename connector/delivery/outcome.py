"""What a relay's answer means for one letter: sent, deferred, refused, uncertain or unreached.

It judges and remembers the answer word for word; it moves no row and suppresses nobody.
"""

import re
from typing import Literal, NamedTuple

Kind = Literal["sent", "deferred", "refused", "uncertain", "unreached"]
Stage = Literal["", "mail", "rcpt", "data", "content"]
Slows = Literal["", "relay", "provider"]

LONGEST_REPLY = 500
CLOSING = 421  # RFC 5321 section 3.8: the server says it will hang up
EXCEEDED_STORAGE = 552

# RFC 3463 section 3.2, and RFC 7505 for 5.1.10: the codes that say nobody reads there.
# Not 5.1.0, 5.1.7 and 5.1.8: servers use them for what they dislike about the sender.
NOBODY_THERE = {"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"}
# RFC 3463: the letter itself is too large for the mailbox or the system.
TOO_LARGE = {"5.2.3", "5.3.4"}

# RFC 3463: congestion. And of security and policy all but 4.7.1, with which many servers
# greylist: what they want is another try, not fewer letters.
CONGESTED = "4.4.5"
NOT_AUTHORIZED = "4.7.1"
# RFC 4954 section 4.7 and Amazon SES: the relay itself has had enough from us.
HAD_ENOUGH = 454
_GREYLISTED = re.compile(r"gr[ea]y.?list", re.IGNORECASE)
_TOO_FAST = re.compile(
    r"rate.?limit|throttl|too (?:many|much|fast|quick)|(?:unusual|sending|maximum) .{0,20}\brate\b"
    r"|server busy|slow down|congest|unexpected volume",
    re.IGNORECASE,
)
# A server that wants a new connection after some letters is not one that wants fewer.
_NEXT_LINE = re.compile(r"(?:per|this|one|in) (?:connection|session)", re.IGNORECASE)


class Outcome(NamedTuple):
    """What became of one letter handed to a relay.

    `unreached`: the connection failed in a way that says nothing about this letter, and the
    relay certainly does not have it. `uncertain`: it may. `reply` is made printable and is
    at most 500 characters; `stage` says which of our commands it answered.
    """

    kind: Kind
    reply: str = ""
    code: int = 0
    enhanced: str = ""
    stage: Stage = ""

    @property
    def suppresses(self) -> bool:
        """Whether the refusal says that nobody reads at this address."""
        return (
            self.kind == "refused"
            and self.stage in ("rcpt", "content")
            and self.enhanced in NOBODY_THERE
        )

    @property
    def is_about_us(self) -> bool:
        """Whether the relay refuses the sender or the letter, not this reader.

        When it does so again and again the mailing should stop and the author be told.
        """
        return self.kind == "refused" and (self.stage == "mail" or self.enhanced.startswith("5.7."))

    @property
    def is_free(self) -> bool:
        """Whether this was no attempt: the line broke before we named the reader.

        One that breaks after that counts, or a letter that makes a relay hang up would be
        tried for ever.
        """
        return self.kind == "unreached" and self.stage in ("", "mail")

    @property
    def slows(self) -> Slows:
        """Who wants fewer letters from us: the relay, or the provider behind this address; or nobody.

        Not greylisting, and nothing that is about this reader alone: “receiving mail too
        quickly” (4.2.1) is one mailbox’s trouble. A 421 that gives no such reason is a line
        that ends; how many lines a relay stands is `relays.Concurrency`.
        """
        if self.kind != "deferred" or not self._is_too_fast:
            return ""
        about_relay = self.stage in ("", "mail") or self.enhanced.startswith("4.3.")
        return "relay" if about_relay or self.code == HAD_ENOUGH else "provider"

    @property
    def _is_too_fast(self) -> bool:
        if self.enhanced.startswith(("4.1.", "4.2.")) or _GREYLISTED.search(self.reply):
            return False
        if _NEXT_LINE.search(self.reply):
            return False
        return (
            self.enhanced == CONGESTED
            or (self.enhanced.startswith("4.7.") and self.enhanced != NOT_AUTHORIZED)
            or _TOO_FAST.search(self.reply) is not None
        )

    def through(self, relay: str) -> "Outcome":
        """The same, and its reply says which of several relays gave it."""
        return self._replace(reply=f"{self.reply[: LONGEST_REPLY - len(relay) - 3]} [{relay}]")

    @property
    def is_goodbye(self) -> bool:
        """Whether the relay hangs up after this answer."""
        return self.code == CLOSING

    @property
    def is_next_line(self) -> bool:
        """Whether it hangs up only because it wants a new connection after some letters."""
        return self.is_goodbye and _NEXT_LINE.search(self.reply) is not None


def judge(code: int, text: str, *, stage: Stage) -> Outcome:
    """The outcome of a letter whose last answer was a final one: 2xx, 4xx or 5xx.

    Any other code is nonsense: `unreached` before the content, `uncertain` after it.
    """
    if 200 <= code < 300 and stage == "content":  # noqa: PLR2004 - RFC 5321 section 4.2.1
        return taken(f"{code} {text}")
    # Only a no is looked at closely.
    enhanced = enhanced_code(code, text) if code >= 400 else ""  # noqa: PLR2004
    kind = _kind(code, enhanced, stage)
    return Outcome(kind, printable(f"{code} {text}"), code, enhanced, stage)


def taken(answer: str) -> Outcome:
    """The outcome of a letter that the relay has taken: 2xx to the final dot."""
    return Outcome("sent", printable(answer), int(answer[:3]), "", "content")


def enhanced_code(code: int, text: str) -> str:
    """The RFC 3463 code at the start of an answer, when it agrees with the basic code."""
    found = re.match(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)", text)
    return found[0] if found and found[1] == str(code)[:1] else ""


def printable(text: str) -> str:
    """An answer as one line that is safe to show and to store."""
    is_plain = text.isprintable() and "  " not in text
    line = text.strip() if is_plain else " ".join(text.split())
    if line.isprintable():
        return line[:LONGEST_REPLY]
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:LONGEST_REPLY]


def _kind(code: int, enhanced: str, stage: Stage) -> Kind:
    if 400 <= code < 500 or _is_full(code, enhanced):  # noqa: PLR2004
        return "deferred"
    if 500 <= code < 600:  # noqa: PLR2004
        return "refused"
    return "uncertain" if stage == "content" else "unreached"


def _is_full(code: int, enhanced: str) -> bool:
    # RFC 5321 section 4.5.3.1.10: 552 is to be treated as temporary. Unless its own detail
    # says that another try cannot help.
    return (
        code == EXCEEDED_STORAGE and enhanced not in TOO_LARGE and not enhanced.startswith("5.7.")
    )
