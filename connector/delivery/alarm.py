"""When a mailing should stop by itself: too many letters refused in a row of tries.

It listens to outcomes and gives a reason in words; pausing is somebody else's.
"""

from collections import deque

from connector.delivery.outcome import Outcome

# A share of the last letters, never a total: a thousand bad addresses in a million are usual.
SAMPLE = 100
FEWEST = 50
REFUSED_SHARE = 0.2
# RFC 3463 section 3.8: policy, authentication and reputation are about us, not about a reader.
ABOUT_US = 3


class Alarm:
    """One mailing's last outcomes, as one sender saw them."""

    def __init__(self) -> None:
        self._sample: deque[Outcome] = deque(maxlen=SAMPLE)

    def hear(self, outcome: Outcome) -> str:
        """Why the mailing should stop now, in words for the writer; empty as long as it should not."""
        if outcome.kind not in ("sent", "refused"):
            return ""
        self._sample.append(outcome)
        if outcome.kind == "sent":
            return ""
        refused = [one for one in self._sample if one.kind == "refused"]
        about_us = [one for one in refused if one.is_about_us]
        if len(about_us) >= ABOUT_US:
            return (
                f"The relay refuses the letter itself, not single readers: “{outcome.reply}”. "
                "Check SPF, DKIM and DMARC with: connector doctor"
            )
        if len(self._sample) >= FEWEST and len(refused) >= REFUSED_SHARE * len(self._sample):
            return (
                f"{len(refused)} of the last {len(self._sample)} letters were refused, the last "
                f"with “{outcome.reply}”. Is the list an old one? Look at: connector status"
            )
        return ""
