"""Mail providers as they report: their own payloads, really signed with keys made here.

The shapes are those of their manuals; names, addresses and numbers are invented.
"""

import base64
import functools
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from connector.clock import SECOND, moment
from connector.inbound.signatures import AMAZONS
from connector.inbound.sns import signed_text
from connector.settings import Hooks

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
POSTMARK, MAILGUN, BREVO = "postmark's password", "mailgun's signing key", "brevo's token"
RESEND = f"whsec_{base64.b64encode(b'resend signs with this').decode()}"


@functools.cache
def amazon() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def twilio() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(now: int, key: rsa.RSAPrivateKey | None = None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    signer = key or amazon()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(7)
        .not_valid_before(moment(now) - timedelta(days=1))
        .not_valid_after(moment(now) + timedelta(days=30))
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def hooks() -> Hooks:
    """Every door open."""
    public = twilio().public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Hooks(
        ses_topic=TOPIC,
        postmark_secret=POSTMARK,
        mailgun_secret=MAILGUN,
        sendgrid_secret=base64.b64encode(der).decode(),
        brevo_secret=BREVO,
        resend_secret=RESEND,
    )


@dataclass(frozen=True)
class Post:
    """What a provider sends: where to, with which headers, and which bytes."""

    path: str
    headers: dict[str, str]
    body: bytes


# What they say


def ses_bounce(address: str, *, source: str = "", status: str = "5.1.1", **bounce: Any) -> Any:
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "reportingMTA": "dns; email.example.com",
            "bouncedRecipients": [
                {
                    "emailAddress": address,
                    "status": status,
                    "action": "failed",
                    "diagnosticCode": f"smtp; 550 {status} <{address}>... User unknown",
                }
            ],
            "timestamp": "2026-09-21T14:13:20.101Z",
            "feedbackId": "00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068a-000000",
            **bounce,
        },
        "mail": {
            "timestamp": "2026-09-21T14:13:10.237Z",
            "source": source or "ines@letters.example.org",
            "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
            "destination": [address],
        },
    }


def ses_complaint(address: str, *, feedback: str = "abuse") -> Any:
    return {
        "notificationType": "Complaint",
        "complaint": {
            "userAgent": "AnyCompany Feedback Loop (V0.01)",
            "complainedRecipients": [{"emailAddress": address}],
            "complaintFeedbackType": feedback,
            "feedbackId": "000001378603177f-18c07c78-fa81-4a58-9dd1-fedc3cb8f49a-000000",
        },
        "mail": {"source": "ines@letters.example.org", "destination": [address]},
    }


def postmark_bounce(address: str, kind: str = "HardBounce", number: int = 901542550) -> Any:
    return {
        "RecordType": "Bounce",
        "ID": number,
        "Type": kind,
        "TypeCode": 1,
        "Name": "Hard bounce",
        "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
        "Description": "The server was unable to deliver your message.",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist."
        if kind == "HardBounce"
        else "smtp;452 the mailbox is full",
        "Email": address,
        "From": "ines@letters.example.org",
        "BouncedAt": "2026-09-21T14:13:20.3963933-04:00",
        "Inactive": True,
        "Subject": "The bench",
    }


def mailgun_failed(
    address: str, *, severity: str = "permanent", message: str = "5.1.1 does not exist"
) -> Any:
    return {
        "event": "failed",
        "severity": severity,
        "reason": "bounce" if severity == "permanent" else "generic",
        "recipient": address,
        "timestamp": 1534110422.389832,
        "id": "hTWCTD81RtiDN-1",
        "message": {"headers": {"to": address, "message-id": "2026.1.DF@letters.example.org"}},
        "delivery-status": {"code": 550, "message": message, "attempt-no": 1},
    }


def sendgrid_bounce(address: str, number: int = 1, **values: Any) -> Any:
    return {
        "email": address,
        "event": "bounce",
        "status": "5.1.1",
        "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
        "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.example.net>",
        "sg_event_id": f"lC0Rc-FuQmKbnxCWxX1jRQ-{number}",
        "sg_message_id": "Lli-03HcQ5-JLybO9fXsJg.filter0077p1las1.21536.5717FC482.0",
        "timestamp": 1461095250,
        "type": "bounce",
        **values,
    }


def brevo(address: str, event: str = "hard_bounce") -> Any:
    return {
        "event": event,
        "email": address,
        "id": 9999999,
        "date": "2026-09-21 16:13:20",
        "ts_epoch": 1790000000000,
        "message-id": "<202609211413.9876543210@smtp-relay.example.net>",
        "reason": " RecipientError: 550 5.5.0 Requested action not taken: mailbox unavailable.",
    }


def resend_bounced(address: str, event: str = "email.bounced") -> Any:
    bounce = {
        "message": "The recipient's email address is on the suppression list.",
        "subType": "Suppressed",
        "type": "Permanent",
    }
    return {
        "type": event,
        "created_at": "2026-09-21T14:13:20.126Z",
        "data": {
            "created_at": "2026-09-21T14:13:10.894719+00:00",
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "from": "Ines <ines@letters.example.org>",
            "to": [f"Reader <{address}>"],
            "subject": "The bench",
            **({"bounce": bounce} if event == "email.bounced" else {}),
        },
    }


def ses_left(address: str, **preferences: Any) -> Any:
    """https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html"""
    return {
        "eventType": "Subscription",
        "mail": {"source": "ines@letters.example.org", "destination": [address]},
        "subscription": {
            "contactList": "letters",
            "timestamp": "2026-09-21T14:13:20.910Z",
            "source": "UnsubscribeHeader",
            "newTopicPreferences": preferences or {"unsubscribeAll": True},
            "oldTopicPreferences": {"unsubscribeAll": False},
        },
    }


def postmark_changed(address: str, **values: Any) -> Any:
    return {
        "RecordType": "SubscriptionChange",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "ServerID": 123456,
        "MessageStream": "broadcast",
        "ChangedAt": "2026-09-21T14:13:20.416071Z",
        "Recipient": address,
        "Origin": "Recipient",
        "SuppressSending": True,
        "SuppressionReason": "ManualSuppression",
        "Tag": None,
        "Metadata": {},
        **values,
    }


def resend_contact(address: str, *, unsubscribed: bool = True) -> Any:
    return {
        "type": "contact.updated",
        "created_at": "2026-09-21T14:13:20.126Z",
        "data": {
            "id": "e169aa45-1ecf-4183-9955-b1499d5701d3",
            "audience_id": "78261eea-8f8b-4381-83c6-79fa7120f1cf",
            "email": address,
            "first_name": "Reader",
            "unsubscribed": unsubscribed,
        },
    }


# How they prove it


def ses(
    event: Any,
    *,
    number: int = 1,
    version: str = "2",
    key: rsa.RSAPrivateKey | None = None,
    **changes: Any,
) -> Post:
    envelope = {
        "Type": "Notification",
        "MessageId": f"19ba9823-d7f2-53c1-860e-{number:012}",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": json.dumps(event),
        "Timestamp": "2026-09-21T14:13:21.675Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | changes
    algorithm = AMAZONS[version]
    signature = (key or amazon()).sign(signed_text(envelope), padding.PKCS1v15(), algorithm)
    envelope["Signature"] = base64.b64encode(signature).decode()
    body = json.dumps(envelope).encode()
    return Post("/hooks/ses", {"content-type": "text/plain; charset=UTF-8"}, body)


def postmark(event: Any, *, password: str = POSTMARK) -> Post:
    basic = base64.b64encode(f"connector:{password}".encode()).decode()
    return Post("/hooks/postmark", {"authorization": f"Basic {basic}"}, json.dumps(event).encode())


def mailgun(event: Any, *, now: int, key: str = MAILGUN, number: int = 1) -> Post:
    token, timestamp = f"651869375b9df3c98fc15c4889b102119add{number}", str(now // SECOND)
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    proof = {"timestamp": timestamp, "token": token, "signature": signature}
    return Post(
        "/hooks/mailgun", {}, json.dumps({"signature": proof, "event-data": event}).encode()
    )


def sendgrid(events: Any, *, now: int, key: ec.EllipticCurvePrivateKey | None = None) -> Post:
    body, timestamp = json.dumps(events).encode(), str(now // SECOND)
    signature = (key or twilio()).sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return Post("/hooks/sendgrid", headers, body)


def by_brevo(event: Any, *, token: str = BREVO) -> Post:
    return Post("/hooks/brevo", {"Authorization": f"Bearer {token}"}, json.dumps(event).encode())


def resend(event: Any, *, now: int, secret: str = RESEND, number: int = 1) -> Post:
    body, timestamp, identity = json.dumps(event).encode(), str(now // SECOND), f"msg_2W2D{number}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")
    headers = {
        "svix-id": identity,
        "svix-timestamp": timestamp,
        "svix-signature": f"v1,AAAA v1,{base64.b64encode(digest).decode()}",
    }
    return Post("/hooks/resend", headers, body)
