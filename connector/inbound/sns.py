"""Amazon SNS, through which SES reports: signed envelopes, and the certificates that prove them.

It asks nobody but Amazon's own hosts, and follows no redirect.
"""

import logging
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from connector.errors import Refused, Unavailable
from connector.inbound import signatures

log = logging.getLogger(__name__)

Fetch = Callable[[str], bytes]

HOST = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE = re.compile(rf"{HOST}/SimpleNotificationService-[0-9a-zA-Z]{{1,80}}\.pem")
CONFIRMATION = re.compile(rf"{HOST}/\?Action=ConfirmSubscription&[A-Za-z0-9=&%:._-]{{1,2000}}")
# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SIGNED_ABOUT_US = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
LARGEST = 64 * 1024
PATIENCE = 10  # seconds
MOST_CERTIFICATES = 16


class Topic:
    """The one topic whose envelopes are believed; remembers the certificates it has seen."""

    def __init__(self, arn: str, fetch: Fetch) -> None:
        self._arn = arn
        self._fetch = fetch
        self._certificates: dict[str, bytes] = {}

    def open(self, envelope: Mapping[str, Any], *, now: int) -> str:
        """What is inside: the report's text, empty when the envelope was about the topic itself.

        A subscription is confirmed by the way. Raises Refused for a forged envelope, and
        Unavailable when Amazon cannot be asked now.
        """
        if envelope.get("TopicArn") != self._arn:
            raise Refused("it comes from another topic")
        self._verify(envelope, now=now)
        if envelope.get("Type") == "Notification":
            return str(envelope.get("Message", ""))
        if envelope.get("Type") == "SubscriptionConfirmation":
            self._confirm(str(envelope.get("SubscribeURL", "")))
        return ""

    def _confirm(self, url: str) -> None:
        if not CONFIRMATION.fullmatch(url):
            raise Refused("it asks to be confirmed at a strange address")
        self._fetch(url)
        log.info("Confirmed the subscription to %s.", self._arn)

    def _verify(self, envelope: Mapping[str, Any], *, now: int) -> None:
        url = str(envelope.get("SigningCertURL", ""))
        # Whoever may name the certificate may sign anything: only Amazon's own hosts will do.
        if not CERTIFICATE.fullmatch(url):
            raise Refused("its certificate is at a strange address")
        certificate = self._certificates.get(url) or self._fetch(url)
        signatures.amazon(
            certificate,
            signed_text(envelope),
            str(envelope.get("Signature", "")),
            version=str(envelope.get("SignatureVersion", "")),
            now=now,
        )
        if len(self._certificates) >= MOST_CERTIFICATES:
            self._certificates.clear()
        self._certificates[url] = certificate


def signed_text(envelope: Mapping[str, Any]) -> bytes:
    """What SNS signs: names and values, a line each, in the order of the names."""
    names = SIGNED if envelope.get("Type") == "Notification" else SIGNED_ABOUT_US
    return "".join(
        f"{name}\n{envelope[name]}\n" for name in names if envelope.get(name) is not None
    ).encode(errors="surrogatepass")


def fetch(url: str) -> bytes:
    """What Amazon has at an address we have checked; raises Unavailable."""
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context()), _NoRedirect()
    )
    try:
        with opener.open(url, timeout=PATIENCE) as answer:
            found: bytes = answer.read(LARGEST)
            return found
    except (OSError, ValueError) as error:
        raise Unavailable(f"Amazon cannot be asked now: {error}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, *_args: Any, **_values: Any) -> None:
        raise urllib.error.URLError(f"{req.full_url} leads elsewhere")
