"""Sees to it that somebody sends what was queued, and says so when nobody can.

It never sends anything itself.
"""

import subprocess
import sys

from connector import clock
from connector.database import Database
from connector.delivery import ledger, store
from connector.errors import ConnectorError, RelayUnavailable
from connector.settings import Settings

# Fewer can be a relay that restarts; the sender has waited 1 and 2 seconds by then.
PATIENCE = 3


class Attendant:
    """Starts a sender of our own when none is running, and watches over it."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._began = clock.now()
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Raise ConnectorError when no sender can run, RelayUnavailable when the relay is down.

        To be called again and again for as long as letters should be leaving.
        """
        code = self._process.poll() if self._process else 0
        if code:
            raise ConnectorError(
                f"The letters are queued, but the sender stopped (exit {code}). "
                "See why, and send them, with: connector work"
            )
        self._refuse_dead_relay()
        if code == 0 and not ledger.is_attended(self._db, now=clock.now()):
            self._process = self._start()

    def _refuse_dead_relay(self) -> None:
        with self._db.read() as connection:
            known = [store.relay(connection, name) for name in ledger.relay_names(self._settings)]
        dead = [
            relay
            for relay in known
            if relay and relay.failures >= PATIENCE and relay.failed_at >= self._began
        ]
        if len(dead) == len(known):
            raise RelayUnavailable(
                f"{dead[0].why} The letters wait, and a sender keeps trying; "
                "none is lost. Look again with: connector status"
            )

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(self._settings.root)
        command = [sys.executable, "-m", "connector", "-C", root, "work", "--until-done"]
        nowhere = subprocess.DEVNULL
        try:
            # A session of its own, so that Ctrl-C here stops the looking and not the sending;
            # and none of our pipes, since whoever reads them waits until all hold them no more.
            return subprocess.Popen(
                command, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere
            )
        except OSError as error:
            raise ConnectorError(
                f"The letters are queued, but no sender could be started ({error}). "
                "Start one with: connector work"
            ) from None
