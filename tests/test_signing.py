"""Tokens: what we signed opens one door, and nothing else opens any."""

import hmac
import os
import stat
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connector import signing
from connector.clock import HOUR
from connector.errors import ExpiredLink, InvalidLink, Misconfigured
from connector.signing import Keys

OLD = Keys((b"the key of the first year, long enough",))
NEW = Keys((b"the key of this year, long enough too.", *OLD.secrets))
NOW = 1_790_000_000_000

purposes = st.sampled_from(["unsubscribe", "preferences", "confirm"])
values = st.text(max_size=40)
# What a stranger can put into an address bar, halves of characters among it.
anything = st.text(st.characters(exclude_categories=()), max_size=80)


@given(purpose=purposes, value=values)
def test_what_was_signed_is_read_back(purpose: str, value: str) -> None:
    assert OLD.verify(purpose, OLD.sign(purpose, value)) == value


@given(purpose=purposes, token=anything)
def test_a_forged_token_is_refused(purpose: str, token: str) -> None:
    with pytest.raises(InvalidLink):
        OLD.verify(purpose, token)
    with pytest.raises(InvalidLink):
        OLD.verify_within(purpose, token, age=HOUR, now=NOW)


@given(value=values, other=anything)
def test_a_proof_fits_no_other_value(value: str, other: str) -> None:
    assume(value != other)

    with pytest.raises(InvalidLink):
        OLD.verify("confirm", f"{other}.{OLD.tag('confirm', value)}")


@given(value=st.text("0123456789", min_size=1, max_size=12), data=st.data())
def test_a_token_cut_short_or_changed_anywhere_is_refused(value: str, data: st.DataObject) -> None:
    token = OLD.sign("unsubscribe", value)
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    assume(token[at] != put)

    for broken in (token[:at], token[:at] + put + token[at + 1 :], token + put):
        with pytest.raises(InvalidLink, match="not one of ours"):
            OLD.verify("unsubscribe", broken)


@given(made_for=purposes, used_for=purposes, value=values)
def test_a_token_opens_only_the_door_it_was_made_for(
    made_for: str, used_for: str, value: str
) -> None:
    assume(made_for != used_for)

    with pytest.raises(InvalidLink):
        OLD.verify(used_for, OLD.sign(made_for, value))


def test_links_of_old_letters_outlive_a_new_key() -> None:
    token = OLD.sign("unsubscribe", "7")

    assert NEW.verify("unsubscribe", token) == "7"


def test_a_new_key_signs_at_once_and_the_old_one_alone_does_not_know_it() -> None:
    token = NEW.sign("unsubscribe", "7")

    assert NEW.verify("unsubscribe", token) == "7"
    with pytest.raises(InvalidLink):
        OLD.verify("unsubscribe", token)


@given(value=values, late=st.integers(0, HOUR))
def test_a_dated_token_is_good_until_its_hour_is_over(value: str, late: int) -> None:
    token = OLD.sign_at("confirm", value, now=NOW)

    assert OLD.verify_within("confirm", token, age=HOUR, now=NOW + late) == value


def test_an_expired_token_says_when_it_was_made() -> None:
    token = OLD.sign_at("confirm", "7", now=NOW)

    with pytest.raises(ExpiredLink) as caught:
        OLD.verify_within("confirm", token, age=HOUR, now=NOW + HOUR + 1)

    assert caught.value.signed_at == NOW


def test_a_token_without_a_date_is_no_dated_one() -> None:
    with pytest.raises(InvalidLink):
        OLD.verify_within("confirm", OLD.sign("confirm", "reader"), age=HOUR, now=NOW)


def test_a_token_is_safe_in_a_web_address() -> None:
    assert set(OLD.sign("unsubscribe", "123")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


def test_a_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    mask = os.umask(0)
    try:
        first = signing.keys_in(path)
    finally:
        os.umask(mask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.keys_in(path).secrets == first.secrets
    assert [one.name for one in tmp_path.iterdir()] == ["connector.key"]


def test_two_publications_have_two_keys(tmp_path: Path) -> None:
    assert signing.keys_in(tmp_path / "a").secrets != signing.keys_in(tmp_path / "b").secrets


def test_a_key_file_holds_the_newest_key_first(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text("\n".join(key.decode() for key in NEW.secrets) + "\n\n")

    assert signing.keys_in(path).secrets == NEW.secrets


@pytest.mark.parametrize("content", [b"", b"\n \n", b"short", b"\xff\xfe key " + b"x" * 40])
def test_a_key_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "connector.key"
    path.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"connector\.key: "):
        signing.keys_in(path)


def test_a_folder_in_place_of_the_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "connector.key").mkdir()

    with pytest.raises(Misconfigured, match=r"connector\.key: cannot be read"):
        signing.keys_in(tmp_path / "connector.key")


def test_a_key_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"connector\.key: cannot be written"):
        signing.keys_in(tmp_path / "gone" / "connector.key")


def test_keys_never_show_themselves() -> None:
    assert "first year" not in repr(OLD)
    assert "first year" not in str(OLD)


@given(key=st.binary(min_size=32, max_size=100), purpose=st.text(), value=st.text())
def test_a_proof_is_what_everybody_calls_hmac(key: bytes, purpose: str, value: str) -> None:
    message = f"{purpose}\0{value}".encode(errors="surrogatepass")

    assert Keys((key,)).proof(purpose, value) == hmac.digest(key, message, "sha256")
