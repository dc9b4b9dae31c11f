"""A request the Till turns down, in the words and the shape of Stripe's own errors.

It becomes an answer with a status; it never leaves the transport as an exception.
"""

from typing import Any

DECLINED = "Your card was declined."


class Refusal(Exception):  # noqa: N818 - named for what happened
    """Stripe, “Errors”: a type, a sentence, and where it helps a code and the parameter."""

    def __init__(
        self,
        message: str,
        *,
        param: str = "",
        code: str = "",
        kind: str = "invalid_request_error",
        status: int = 400,
        keeps: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.keeps = keeps  # whether what happened until then stays
        self.error: dict[str, Any] = {"message": message, "type": kind} | more
        if param:
            self.error["param"] = param
        if code:
            self.error["code"] = code
            self.error["doc_url"] = f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"


def missing(noun: str, key: str, *, param: str = "id") -> Refusal:
    """Nothing has this id."""
    return Refusal(
        f"No such {noun.replace('_', ' ')}: '{key}'",
        param=param,
        code="resource_missing",
        status=404,
    )


def declined(
    message: str = DECLINED, *, code: str = "card_declined", keeps: bool = False
) -> Refusal:
    """The card said no; `keeps` when the attempt counts."""
    more = {"decline_code": "generic_decline"} if code == "card_declined" else {}
    return Refusal(message, code=code, kind="card_error", status=402, keeps=keeps, **more)
