"""Who says so: the proofs that mail providers give with what they report.

Every check raises Refused with the reason, for the log; none of them looks into a report.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from connector.clock import MINUTE, SECOND, moment
from connector.errors import Refused

MAILGUN_AGE = 15 * MINUTE
RESEND_AGE = 5 * MINUTE
# SNS signs with SHA-1 unless its topic says otherwise.
AMAZONS: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303
FORGED = "the signature is not theirs"


def password(secret: str, headers: Mapping[str, str]) -> None:
    """The secret as a bearer token or as the password of HTTP's basic authentication.

    Postmark sends what stands before the @ of its URL; Brevo that, or a token.
    """
    scheme, _, proof = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        proof = _decoded(proof).decode("utf-8", "replace").partition(":")[2]
    if not proof or not hmac.compare_digest(_sealed(proof), _sealed(secret)):
        raise Refused("the password is missing or wrong")


def mailgun(secret: str, timestamp: str, token: str, signature: str, *, now: int) -> None:
    """HMAC-SHA256 over timestamp and token, at most 15 minutes old; the caller takes a token once.

    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    """
    _fresh(timestamp, age=MAILGUN_AGE, now=now)
    wanted = hmac.new(secret.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(_sealed(wanted), _sealed(signature)):
        raise Refused(FORGED)


def sendgrid(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """ECDSA over timestamp and body, with the public key that SendGrid shows.

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """
    prefix = "x-twilio-email-event-webhook-"
    timestamp = headers.get(f"{prefix}timestamp", "")
    signature = _decoded(headers.get(f"{prefix}signature", ""))
    try:
        key = serialization.load_der_public_key(_decoded(secret))
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("CONNECTOR_HOOKS_SENDGRID_SECRET is not a verification key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("CONNECTOR_HOOKS_SENDGRID_SECRET is not a verification key of SendGrid")
    try:
        key.verify(signature, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused(FORGED) from None


def resend(secret: str, headers: Mapping[str, str], body: bytes, *, now: int) -> None:
    """HMAC-SHA256 over id, timestamp and body, at most 5 minutes old.

    https://docs.svix.com/receiving/verifying-payloads/how-manual
    """
    identity, timestamp = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    _fresh(timestamp, age=RESEND_AGE, now=now)
    key = _decoded(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")
    wanted = _sealed(f"v1,{base64.b64encode(digest).decode()}")
    given = headers.get("svix-signature", "").split()[:10]
    if not key or not any(hmac.compare_digest(_sealed(one), wanted) for one in given):
        raise Refused(FORGED)


def amazon(pem: bytes, text: bytes, signature: str, *, version: str, now: int) -> None:
    """RSA over `text`, with SHA-1 or SHA-256 as `version` says, by the key of a certificate.

    https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
    """
    algorithm = AMAZONS.get(version)
    if algorithm is None:
        raise Refused("it is signed in a way we do not know")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("its certificate cannot be read") from None
    if not certificate.not_valid_before_utc <= moment(now) <= certificate.not_valid_after_utc:
        raise Refused("its certificate is not valid now")
    if not isinstance(key, rsa.RSAPublicKey):
        raise Refused("its certificate is of a strange kind")
    try:
        key.verify(_decoded(signature), text, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise Refused(FORGED) from None


def _fresh(timestamp: str, *, age: int, now: int) -> None:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):  # noqa: PLR2004
        raise Refused("it does not say when it was signed")
    if abs(now - int(timestamp) * SECOND) > age:
        raise Refused("it was signed too long ago")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _sealed(text: str) -> bytes:
    """Something of one length, whatever was sent, so that comparing tells nothing."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
