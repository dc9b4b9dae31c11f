"""A membership that somebody buys for somebody else.

A pure noun; who takes it and how long it lasts is for the verbs to say.
"""

from dataclasses import dataclass

# What stands in the place of a payment when the writer gives.
FROM_WRITER = "writer:"


@dataclass(frozen=True, slots=True)
class Gift:
    """Bought once, taken once by its `code`; `address` is whom it is for, if the buyer said so.

    `words` are the buyer's own; `sent_at` is when the letter with both was written. `buyer` is the
    address of one who was not signed in, empty once they want to be forgotten.
    """

    payment_id: str
    mode: str
    code: str
    tier: str
    months: int
    buyer_id: int | None
    address: str
    send_at: int | None
    created_at: int
    taken_by: int | None = None
    taken_at: int | None = None
    ended_at: int | None = None
    words: str = ""
    sent_at: int | None = None
    buyer: str = ""
    buyer_key: str = ""

    @property
    def is_from_writer(self) -> bool:
        """Whether the writer gave it, and nobody paid for it."""
        return self.payment_id.startswith(FROM_WRITER)
