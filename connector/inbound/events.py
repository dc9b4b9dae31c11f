"""What mail providers report, read: each one's own words for bounces, complaints and leaving.

It trusts whoever calls it to know who spoke; events of no interest, such as a letter that
arrived, are left out.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from email.utils import parseaddr
from typing import Any, NamedTuple

from connector.errors import Refused
from connector.inbound.bounce import Kind, Report, is_permanent
from connector.inbound.report import claims_in, code_in, delivery_in
from connector.settings import Settings

Fields = Mapping[str, Any]

FULL = "5.2.2"  # RFC 3463: the mailbox exists and is full
UNWANTED = "5.7.0"  # RFC 3463: the letter or its sender was refused, not the reader


class Event(NamedTuple):
    """A report and what tells it apart from every other, whoever sends it twice."""

    digest: str
    report: Report


class _Said(NamedTuple):
    """What a provider says: about whom, what, and in whose words."""

    identity: str
    kind: Kind
    address: str
    status: str = ""
    detail: str = ""
    permanent: bool = False


def read(settings: Settings, provider: str, fields: Any, *, identity: str = "") -> list[Event]:
    """The reports in what a provider posted; `identity` is its own name for this post.

    Raises Refused when it is not shaped as the provider's manual says.
    """
    try:
        return [
            _event(settings, provider, said, one)
            for one in (fields if isinstance(fields, list) else [fields])
            for said in PROVIDERS[provider](one, identity)
        ]
    except (LookupError, AttributeError, TypeError, ValueError, RecursionError):
        raise Refused("it is not shaped as the manual says") from None


def _event(settings: Settings, provider: str, said: _Said, fields: Fields) -> Event:
    text = json.dumps(fields, ensure_ascii=False)
    delivery = delivery_in(settings, _texts(fields))
    status = code_in(said.status, said.detail)
    address = parseaddr(said.address)[1]
    return Event(
        hashlib.sha256(f"{provider}:{said.identity}".encode(errors="surrogatepass")).hexdigest(),
        Report(
            said.kind,
            permanent=is_permanent(status) or (said.permanent and not _passes(status)),
            status=status,
            detail=said.detail,
            delivery=delivery,
            claims=() if delivery is not None else claims_in([text.encode(errors="replace")]),
            address=address,
        ),
    )


def _passes(status: str) -> bool:
    """Whether trouble with this code may pass, though a provider calls it hard."""
    return status.startswith("4.") or status == FULL


def _texts(value: Any) -> Iterator[str]:
    """Every text in an event: one of them may be an address that proves the delivery."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


# Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html

SES_SUBTYPES = {
    "MailboxFull": FULL,
    "ContentRejected": UNWANTED,
    "AttachmentRejected": UNWANTED,
    "MessageTooLarge": "5.3.4",
}


def _ses(event: Fields, identity: str) -> Iterator[_Said]:
    kind = event.get("notificationType") or event.get("eventType")
    if kind == "Bounce":
        bounce = event["bounce"]
        for at, one in enumerate(bounce["bouncedRecipients"]):
            yield _Said(
                f"{identity}:{at}",
                "bounce",
                one["emailAddress"],
                status=one.get("status") or SES_SUBTYPES.get(bounce.get("bounceSubType", ""), ""),
                detail=one.get("diagnosticCode")
                or f"{bounce['bounceType']}, {bounce.get('bounceSubType', '')}",
                permanent=bounce["bounceType"] == "Permanent",
            )
    elif kind == "Complaint":
        complaint = event["complaint"]
        feedback = complaint.get("complaintFeedbackType") or "complaint"
        if feedback not in ("not-spam", "auth-failure"):
            for at, one in enumerate(complaint["complainedRecipients"]):
                yield _Said(f"{identity}:{at}", "complaint", one["emailAddress"], detail=feedback)
    elif kind == "Subscription" and _leaves_ses(event["subscription"]["newTopicPreferences"]):
        for at, address in enumerate(event["mail"]["destination"]):
            source = str(event["subscription"].get("source") or "unsubscribed")
            yield _Said(f"{identity}:{at}", "unsubscribe", str(address), detail=source)


def _leaves_ses(preferences: Fields) -> bool:
    """Whether nothing is left that a reader gets, among the topics of SES' own lists."""
    topics = preferences.get("topicSubscriptionStatus") or []
    left = [one["subscriptionStatus"] == "OptOut" for one in topics]
    return preferences.get("unsubscribeAll") is True or (bool(left) and all(left))


# Postmark: https://postmarkapp.com/developer/webhooks/bounce-webhook
# and https://postmarkapp.com/developer/webhooks/subscription-change-webhook

POSTMARK_TYPES: dict[str, tuple[str, bool]] = {
    "HardBounce": ("", True),
    "BadEmailAddress": ("5.1.3", True),
    "SoftBounce": ("", False),
    "DnsError": ("", False),
    "Unknown": ("", False),
    "Undeliverable": ("", False),
    "SpamNotification": (UNWANTED, False),
    "VirusNotification": (UNWANTED, False),
    "Blocked": (UNWANTED, False),
    "DMARCPolicy": (UNWANTED, False),
}


def _postmark(event: Fields, _identity: str) -> Iterator[_Said]:
    record = event["RecordType"]
    identity = f"{record}:{event.get('ID')}"
    detail = str(event.get("Details") or event.get("Description") or "")
    if record == "SubscriptionChange":
        yield from _changed_at_postmark(event)
    elif record == "SpamComplaint":
        yield _Said(identity, "complaint", event["Email"], detail=detail)
    elif record == "Bounce" and event["Type"] in POSTMARK_TYPES:
        status, permanent = POSTMARK_TYPES[event["Type"]]
        yield _Said(
            identity,
            "bounce",
            event["Email"],
            status=status,
            detail=detail,
            permanent=permanent,
        )


def _changed_at_postmark(event: Fields) -> Iterator[_Said]:
    """Only a reader's own wish to leave: the rest is told by other events, or is not theirs."""
    is_wish = event["SuppressionReason"] == "ManualSuppression" and event["Origin"] == "Recipient"
    if event["SuppressSending"] is True and is_wish:
        identity = f"SubscriptionChange:{event['Recipient']}:{event['ChangedAt']}"
        yield _Said(identity, "unsubscribe", event["Recipient"], detail="unsubscribed")


# Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads


def _mailgun(event: Fields, identity: str) -> Iterator[_Said]:
    found = event["event-data"]
    address = str(found.get("recipient", ""))
    if found["event"] == "complained" or found.get("reason") == "suppress-complaint":
        yield _Said(identity, "complaint", address, detail="complained")
    elif found["event"] == "unsubscribed" or found.get("reason") == "suppress-unsubscribe":
        yield _Said(identity, "unsubscribe", address, detail="unsubscribed")
    elif found["event"] == "failed":
        status = found.get("delivery-status") or {}
        words = str(status.get("message") or status.get("description") or found.get("reason", ""))
        is_final = found.get("severity") == "permanent"
        yield _Said(
            identity,
            "bounce" if is_final else "delayed",
            address,
            status=str(status.get("enhanced-code") or ""),
            detail=f"{status.get('code', '')} {words}".strip(),
            permanent=found.get("reason") in ("bounce", "suppress-bounce"),
        )
    else:
        # The signature covers only the token: each one is written down, so that none works twice.
        yield _Said(identity, "delivered", address, detail=str(found["event"]))


# SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

SENDGRID_DROPPED: dict[str, Kind] = {
    "Bounced Address": "bounce",
    "Invalid": "bounce",
    "Spam Reporting Address": "complaint",
    "Unsubscribed Address": "unsubscribe",
}


def _sendgrid(event: Fields, _identity: str) -> Iterator[_Said]:
    identity, address = str(event["sg_event_id"]), str(event.get("email", ""))
    reason = str(event.get("reason") or "")
    if event["event"] == "spamreport":
        yield _Said(identity, "complaint", address, detail="spamreport")
    elif event["event"] in ("unsubscribe", "group_unsubscribe"):
        yield _Said(identity, "unsubscribe", address, detail=event["event"])
    elif event["event"] == "dropped" and reason in SENDGRID_DROPPED:
        yield _Said(identity, SENDGRID_DROPPED[reason], address, detail=reason, permanent=True)
    elif event["event"] == "bounce":
        why = event.get("bounce_classification")
        status = str(event.get("status") or "")
        yield _Said(
            identity,
            "bounce",
            address,
            status=UNWANTED if why in ("Content", "Reputation") else status,
            detail=reason,
            permanent=why == "Invalid Address",
        )


# Brevo: https://developers.brevo.com/docs/transactional-webhooks

BREVO_EVENTS: dict[str, tuple[Kind, bool]] = {
    "hard_bounce": ("bounce", True),
    "invalid_email": ("bounce", True),
    "soft_bounce": ("bounce", False),
    "spam": ("complaint", False),
    "complaint": ("complaint", False),
    "unsubscribed": ("unsubscribe", False),
}


def _brevo(event: Fields, _identity: str) -> Iterator[_Said]:
    if event["event"] not in BREVO_EVENTS:
        return
    kind, permanent = BREVO_EVENTS[event["event"]]
    # Brevo's events have no name of their own; they differ in what they say.
    yield _Said(
        json.dumps(event, sort_keys=True),
        kind,
        str(event["email"]),
        detail=str(event.get("reason") or event["event"]).strip(),
        permanent=permanent,
    )


# Resend: https://resend.com/docs/webhooks/emails/bounced
# and https://resend.com/changelog/new-contact-webhooks


def _resend(event: Fields, identity: str) -> Iterator[_Said]:
    kinds: dict[str, Kind] = {"email.bounced": "bounce", "email.complained": "complaint"}
    kind = kinds.get(event["type"])
    if event["type"] == "contact.updated" and event["data"]["unsubscribed"] is True:
        yield _Said(identity, "unsubscribe", str(event["data"]["email"]), detail="unsubscribed")
    if kind is None:
        return
    bounce = event["data"].get("bounce") or {}
    for at, address in enumerate(event["data"]["to"]):
        yield _Said(
            f"{identity}:{at}",
            kind,
            str(address),
            status=SES_SUBTYPES.get(bounce.get("subType", ""), ""),
            detail=str(bounce.get("message") or event["type"]),
            permanent=bounce.get("type", "Permanent") == "Permanent",
        )


PROVIDERS: dict[str, Callable[[Fields, str], Iterator[_Said]]] = {
    "ses": _ses,
    "postmark": _postmark,
    "mailgun": _mailgun,
    "sendgrid": _sendgrid,
    "brevo": _brevo,
    "resend": _resend,
}
