"""What can go wrong on purpose; every message is safe to show a reader.

ConnectorError
├── NotFound                nothing at this address
├── Refused                 understood, and the answer is no
│   ├── InvalidAddress      not an email address we can write to
│   ├── InvalidAmount       not an amount of money; says how to write it
│   ├── InvalidLink         wrong signature, or made for another purpose
│   ├── ExpiredLink         right link, too old; carries `signed_at`
│   ├── TooManyRequests     the limit is reached; carries `retry_after` in seconds
│   ├── SignInNeeded        only for who is signed in; carries `next_path`
│   ├── InvalidWebhook      not from Stripe, not for us, or too old
│   └── Unpublishable       the issue has errors; carries `findings`
├── Misconfigured           the operator must act; lists every problem at once
│   └── WrongSchema         the database belongs to another version or program
└── Unavailable             not now, perhaps later
    ├── DatabaseUnavailable locked, full, read-only or damaged
    ├── RelayUnavailable    the mail relay cannot be reached, or refuses us
    └── PaymentsUnavailable Stripe cannot be reached, or refuses us; carries `why`
"""

from collections.abc import Sequence


class ConnectorError(Exception):
    """The root of the tree: one clear sentence, and the cure where there is one."""


class NotFound(ConnectorError):  # noqa: N818 - named for what happened
    pass


class Refused(ConnectorError):  # noqa: N818
    pass


class InvalidAddress(Refused):
    pass


class InvalidAmount(Refused):
    pass


class InvalidWebhook(Refused):
    pass


class InvalidLink(Refused):
    pass


class ExpiredLink(Refused):
    def __init__(self, message: str, *, signed_at: int) -> None:
        super().__init__(message)
        self.signed_at = signed_at


class TooManyRequests(Refused):
    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SignInNeeded(Refused):
    def __init__(self, next_path: str) -> None:
        super().__init__("Please sign in first.")
        self.next_path = next_path


class Unpublishable(Refused):
    def __init__(self, message: str, *, findings: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class Misconfigured(ConnectorError):  # noqa: N818
    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class WrongSchema(Misconfigured):
    pass


class Unavailable(ConnectorError):  # noqa: N818
    pass


class DatabaseUnavailable(Unavailable):
    pass


class RelayUnavailable(Unavailable):
    pass


class RelayBusy(RelayUnavailable):
    """It answers, and wants no further connection now."""


class PaymentsUnavailable(Unavailable):
    """`why` is for whoever runs the server; the message is for readers."""

    def __init__(self, message: str, *, why: str = "") -> None:
        super().__init__(message)
        self.why = why or message


class PaymentsRefused(PaymentsUnavailable):
    """Stripe answers, and does not do what was asked of it."""
