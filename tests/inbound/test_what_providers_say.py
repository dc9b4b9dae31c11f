"""Whatever a provider posts, it is read as its manual says, or refused; it never breaks us."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Refused, Unavailable
from connector.inbound import events, sns
from tests.inbound.test_letters_that_come_back import PUBLICATION
from tests.web import providers

ADDRESS = "reader1@example.org"
SAID: dict[str, Any] = {
    "ses": providers.ses_bounce(ADDRESS),
    "postmark": providers.postmark_bounce(ADDRESS),
    "mailgun": {"event-data": providers.mailgun_failed(ADDRESS)},
    "sendgrid": [providers.sendgrid_bounce(ADDRESS)],
    "brevo": providers.brevo(ADDRESS),
    "resend": providers.resend_bounced(ADDRESS),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a payload."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, (*path, at))


def changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A copy with something else at one place."""
    if not path:
        return other
    copy = json.loads(json.dumps(value))
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = other
    return copy


def read(provider: str, fields: Any) -> None:
    try:
        found = events.read(PUBLICATION, provider, fields, identity="1")
    except Refused:
        return
    for event in found:
        report = event.report
        assert all(isinstance(one, str) for one in (report.address, report.status, report.detail))
        assert report.delivery is None


@given(provider=st.sampled_from(list(SAID)), fields=ANYTHING)
@settings(deadline=None)
def test_anything_at_all(provider: str, fields: Any) -> None:
    read(provider, fields)


@given(data=st.data(), provider=st.sampled_from(list(SAID)), other=ANYTHING)
@settings(max_examples=400, deadline=None)
def test_a_report_with_something_strange_in_it(
    data: st.DataObject, provider: str, other: Any
) -> None:
    path = data.draw(st.sampled_from(list(places(SAID[provider]))))

    read(provider, changed(SAID[provider], path, other))


@pytest.mark.parametrize("provider", list(SAID))
def test_each_report_is_about_its_reader(provider: str) -> None:
    [event] = events.read(PUBLICATION, provider, SAID[provider], identity="1")

    assert event.report.address == ADDRESS
    assert event.report.permanent


def test_amazon_out_of_reach_is_a_matter_of_time() -> None:
    with pytest.raises(Unavailable):
        sns.fetch("https://127.0.0.1:1/")
