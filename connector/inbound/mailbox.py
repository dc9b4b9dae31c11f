"""The mailbox that letters come back to, read over IMAP (RFC 9051) when no other way is open.

A message is marked as read, or moved away, only when it is recorded; none is deleted.
"""

import contextlib
import imaplib
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connector.clock import MINUTE
from connector.errors import ConnectorError, Unavailable
from connector.inbound.report import LARGEST
from connector.settings import Inbound

log = logging.getLogger(__name__)

PATIENCE = 60  # seconds
PARTING = 10  # seconds
AT_ONCE = 500

Take = Callable[[bytes], str]


def read(inbound: Inbound, take: Take, *, stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Give every new message to `take`, oldest first; how often it gave each answer.

    Raises Unavailable when the server or the folder cannot be had; what was taken until then
    stays taken, and the rest is there the next time.
    """
    taken: Counter[str] = Counter()
    with _opened(inbound) as mailbox:
        for uid in _new(mailbox)[:AT_ONCE]:
            if stop():
                break
            message = _message(mailbox, uid)
            if message is not None:
                taken[take(message)] += 1
                _done(mailbox, uid, inbound.done_folder)
    return taken


class Watch:
    """Looks into the mailbox every few minutes, in a thread of its own."""

    def __init__(self, inbound: Inbound, take: Take) -> None:
        self._inbound = inbound
        self._take = take
        self._due_at = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self, now: int) -> None:
        """Begin to read when it is time; never waits. To be called again and again."""
        if now < self._due_at or (self._thread and self._thread.is_alive()):
            return
        self._due_at = now + self._inbound.minutes * MINUTE
        self._thread = threading.Thread(target=self._read, name="mailbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the message that is being read; wait for that a little."""
        self._stopping.set()
        if self._thread:
            self._thread.join(PARTING)

    def _read(self) -> None:
        try:
            read(self._inbound, self._take, stop=self._stopping.is_set)
        except ConnectorError as error:
            log.warning("%s", error)


@contextmanager
def _opened(inbound: Inbound) -> Iterator[imaplib.IMAP4]:
    where = f"The mailbox {inbound.folder} of {inbound.user} at {inbound.imap_host}"
    try:
        mailbox = imaplib.IMAP4_SSL(
            inbound.imap_host,
            inbound.port,
            ssl_context=ssl.create_default_context(),
            timeout=PATIENCE,
        )
    except (OSError, imaplib.IMAP4.error) as error:
        raise Unavailable(f"{where} cannot be reached: {error}") from None
    try:
        mailbox.login(inbound.user, inbound.password)
        _ask(mailbox, "select", _quoted(inbound.folder))
        yield mailbox
    except (OSError, UnicodeError, imaplib.IMAP4.error) as error:
        raise Unavailable(f"{where} cannot be read: {_said(error)}") from None
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            mailbox.logout()


def _new(mailbox: imaplib.IMAP4) -> list[str]:
    found = _ask(mailbox, "uid", "SEARCH", "UNSEEN", "UNDELETED")
    return found[0].decode("ascii").split() if found and isinstance(found[0], bytes) else []


def _message(mailbox: imaplib.IMAP4, uid: str) -> bytes | None:
    """The message, or so much of it that it is seen to be too large; None when it has gone."""
    # PEEK: it counts as read only when it is recorded.
    found = _ask(mailbox, "uid", "FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST + 1}>)")
    return next((bytes(one[1]) for one in found if isinstance(one, tuple)), None)


def _done(mailbox: imaplib.IMAP4, uid: str, folder: str) -> None:
    if not folder:
        _ask(mailbox, "uid", "STORE", uid, "+FLAGS.SILENT", r"(\Seen)")
    elif _moves(mailbox):
        _ask(mailbox, "uid", "MOVE", uid, _quoted(folder))
    else:
        _ask(mailbox, "uid", "COPY", uid, _quoted(folder))
        _ask(mailbox, "uid", "STORE", uid, "+FLAGS.SILENT", r"(\Seen \Deleted)")


def _moves(mailbox: imaplib.IMAP4) -> bool:
    """Whether the server can move a message in one step (RFC 6851); it may say so only now."""
    _, offered = mailbox.capability()
    return any(b"MOVE" in one.upper().split() for one in offered if isinstance(one, bytes))


def _ask(mailbox: imaplib.IMAP4, name: str, *words: str) -> list[bytes | tuple[bytes, bytes]]:
    kind, found = getattr(mailbox, name)(*words)
    if kind != "OK":
        said = found[0] if found and isinstance(found[0], bytes) else b""
        raise imaplib.IMAP4.error(f"{words[0]}: {said.decode('utf-8', 'replace') or kind}")
    return list(found)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
