"""An IMAP server over TLS, as much of RFC 9051 as a reader of one mailbox needs.

It keeps its folders in memory and notes every command; it can refuse to sign anybody in, and
leave MOVE (RFC 6851) unoffered.
"""

import contextlib
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

PASSWORD = "opensesame"


@dataclass
class Message:
    raw: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class Mailboxes:
    """`folders` by name, each by uid; `said` is every command, without its tag."""

    folders: dict[str, dict[int, Message]] = field(
        default_factory=lambda: {"INBOX": {}, "Read": {}}
    )
    said: list[str] = field(default_factory=list)
    moves: bool = True
    port: int = 0

    def put(self, *messages: bytes) -> None:
        inbox = self.folders["INBOX"]
        for raw in messages:
            inbox[max(inbox, default=0) + 1] = Message(raw)

    def flags(self) -> list[set[str]]:
        return [one.flags for one in self.folders["INBOX"].values()]


@contextlib.contextmanager
def serving(mailboxes: Mailboxes, context: ssl.SSLContext) -> Iterator[Mailboxes]:
    """A server on loopback for as long as the block runs."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _converse(self, mailboxes)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> tuple[ssl.SSLSocket, object]:
            raw, address = super().get_request()
            raw.settimeout(30)
            return context.wrap_socket(raw, server_side=True), address

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that did not trust us has hung up

    with Server(("127.0.0.1", 0), Session) as server:
        mailboxes.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield mailboxes
        finally:
            server.shutdown()
            thread.join()


def _converse(session: socketserver.StreamRequestHandler, mailboxes: Mailboxes) -> None:
    folder: dict[int, Message] = {}
    is_in = False
    session.wfile.write(b"* OK ready\r\n")
    while line := session.rfile.readline():
        tag, _, rest = line.decode().strip().partition(" ")
        mailboxes.said.append(rest)
        verb, _, words = rest.partition(" ")
        answer = b"OK done"
        if verb == "CAPABILITY":
            # Like Dovecot it tells a stranger less.
            offered = b"IMAP4rev1 MOVE" if mailboxes.moves and is_in else b"IMAP4rev1"
            session.wfile.write(b"* CAPABILITY " + offered + b"\r\n")
        elif verb == "LOGIN":
            is_in = f'"{PASSWORD}"' in words
            answer = b"OK done" if is_in else b"NO wrong password"
        elif verb == "SELECT":
            name = words.strip('"')
            if name in mailboxes.folders:
                folder = mailboxes.folders[name]
                session.wfile.write(f"* {len(folder)} EXISTS\r\n".encode())
            else:
                answer = b"NO there is no such folder"
        elif verb == "UID":
            answer = _by_uid(session, mailboxes, folder, words)
        elif verb == "LOGOUT":
            session.wfile.write(b"* BYE\r\n" + tag.encode() + b" OK bye\r\n")
            return
        session.wfile.write(tag.encode() + b" " + answer + b"\r\n")


def _by_uid(
    session: socketserver.StreamRequestHandler,
    mailboxes: Mailboxes,
    folder: dict[int, Message],
    words: str,
) -> bytes:
    verb, _, rest = words.partition(" ")
    if verb == "SEARCH":
        new = [uid for uid, one in folder.items() if not one.flags & {r"\Seen", r"\Deleted"}]
        session.wfile.write(f"* SEARCH {' '.join(map(str, new))}\r\n".encode())
        return b"OK done"
    number, _, what = rest.partition(" ")
    uid = int(number)
    if verb == "FETCH":
        size = re.fullmatch(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)", what)
        assert size, what
        part = folder[uid].raw[: int(size[1])]
        session.wfile.write(f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(part)}}}\r\n".encode())
        session.wfile.write(part + b")\r\n")
    elif verb == "STORE":
        folder[uid].flags |= set(re.findall(r"\\\w+", what))
    elif verb in ("MOVE", "COPY"):
        target = mailboxes.folders.get(what.strip('"'))
        if target is None:
            return b"NO [TRYCREATE] there is no such folder"
        target[uid] = Message(folder[uid].raw)
        if verb == "MOVE":
            del folder[uid]
    return b"OK done"
