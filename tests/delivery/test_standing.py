"""How the domain stands with mailbox providers: each fault is named, each with its cure."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.delivery import dkim, standing
from connector.delivery.dns import Answer, Resolver
from connector.delivery.standing import Verdict
from connector.errors import Refused
from connector.settings import Dkim, DkimKey, Settings
from tests.fakes.dns import FakeNameserver

DOMAIN = "letters.example.org"
RELAYS = "spf.example.net"


@pytest.fixture
def nameserver() -> FakeNameserver:
    """A domain that is in order."""
    server = FakeNameserver()
    server.put(DOMAIN, "TXT", f"v=spf1 include:{RELAYS} ~all", "some-site-verification=1")
    server.put(RELAYS, "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    server.put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@example.org")
    server.put(DOMAIN, "MX", "10 mx.example.net.")
    server.put("mx.example.net", "A", "192.0.2.25")
    server.put(DOMAIN, "A", "192.0.2.7")
    server.put("7.2.0.192.in-addr.arpa", "PTR", f"{DOMAIN}.")
    return server


@pytest.fixture
def resolver(nameserver: FakeNameserver) -> Iterator[Resolver]:
    with nameserver.running() as address:
        yield Resolver(address, seconds=0.4)


@pytest.fixture
def sending(configured: Settings) -> Settings:
    return replace(configured, mail=replace(configured.mail, host="smtp.example.net"))


def verdicts(
    settings: Settings, resolver: Resolver, examine: standing.Examination
) -> list[Verdict]:
    return list(examine(settings, resolver))


def test_a_domain_in_order_has_nothing_said_about_it(sending: Settings, resolver: Resolver) -> None:
    found = {
        name: list(examine(sending, resolver)) for name, examine in standing.examinations(sending)
    }

    assert found == {f"SPF of {DOMAIN}": [], f"DMARC of {DOMAIN}": [], "The way back": []}


# SPF


@pytest.mark.parametrize(
    ("records", "is_error", "words"),
    [
        ((), True, "there is no record"),
        (("unrelated=1", "v=spf10 -all"), True, "there is no record"),
        (("v=spf1 -all", "v=spf1 ~all"), True, "there are 2 records"),
        (("v=spf1 +all",), True, "lets anybody send in your name"),
        (("v=spf1 all",), True, "lets anybody send in your name"),
        (("v=spf1 a ?all",), False, "says nothing about servers it does not name"),
        (("v=spf1 a",), False, "says nothing about servers it does not name"),
        (("v=spf1 include:nobody.example.net -all",), True, "includes nobody.example.net"),
        (("v=spf1 redirect=nobody.example.net",), True, "includes nobody.example.net"),
        (("v=spf1 ip4: !!! -all",), True, "cannot be read"),
    ],
)
def test_what_is_wrong_with_spf_is_said(
    nameserver: FakeNameserver,
    resolver: Resolver,
    sending: Settings,
    records: tuple[str, ...],
    *,
    is_error: bool,
    words: str,
) -> None:
    nameserver.put(DOMAIN, "TXT", *records or ("nothing",))

    found = verdicts(sending, resolver, standing.spf)

    assert words in found[0].what
    assert found[0].is_error is is_error


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ~all",
        "v=spf1 -all",
        "V=SPF1 A MX -ALL",
        f"v=spf1 redirect={RELAYS}",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a/24 exists:%{i}.x.example.net -all",
        f"v=spf1 include:{RELAYS} include:{RELAYS} ~all include:nobody.example.net",
    ],
)
def test_a_record_that_is_right_is_left_alone(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings, record: str
) -> None:
    nameserver.put(DOMAIN, "TXT", record)

    assert verdicts(sending, resolver, standing.spf) == []


def test_a_record_in_pieces_is_one(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.put(DOMAIN, "TXT", f'"v=spf1 include:{RELAYS[:6]}" "{RELAYS[6:]} ~all"')

    assert verdicts(sending, resolver, standing.spf) == []


def test_a_record_that_asks_too_much_is_void(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    for number in range(11):
        nameserver.put(
            f"s{number}.example.net", "TXT", f"v=spf1 include:s{number + 1}.example.net -all"
        )
    nameserver.put(DOMAIN, "TXT", "v=spf1 include:s0.example.net -all")

    (found,) = verdicts(sending, resolver, standing.spf)

    assert found.is_error
    assert "more than 10 further questions" in found.what
    assert len(nameserver.asked) <= 12


def test_records_that_include_each_other_end(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.put(RELAYS, "TXT", f"v=spf1 include:{RELAYS} -all")

    assert verdicts(sending, resolver, standing.spf) == []


def test_spf_is_about_the_address_that_bounces_go_to(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    mail = replace(sending.mail, return_path="b@bounces.example.org")

    (found,) = verdicts(replace(sending, mail=mail), resolver, standing.spf)

    assert found.is_error
    assert nameserver.asked == [("bounces.example.org", "TXT")]


# When nobody can say


def test_a_server_that_could_not_find_out_is_no_fault_of_the_domain(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.broken = {DOMAIN, f"_dmarc.{DOMAIN}"}

    for examine in (standing.spf, standing.dmarc, standing.way_back):
        (found,) = verdicts(sending, resolver, examine)
        assert not found.is_error
        assert found.what.startswith("could not ask about ")
        assert "the DNS server could not find out" in found.what


def test_an_include_that_nobody_could_ask_for_is_no_fault_either(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.broken = {RELAYS}

    (found,) = verdicts(sending, resolver, standing.spf)

    assert not found.is_error
    assert found.what.startswith(f"could not ask about {RELAYS}")


def test_a_silent_server_is_given_up_soon(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.silent = {"*"}

    said = [resolver.ask(f"{label}.example.org", "TXT").trouble for label in "abcd"]

    assert said == ["no answer within 0.4 seconds"] * 2 + ["the DNS server does not answer"] * 2
    assert len({name for name, _ in nameserver.asked}) == 2


def test_one_name_that_is_silent_does_not_spoil_the_others(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.silent = {DOMAIN}

    (spf,) = verdicts(sending, resolver, standing.spf)

    assert spf.what == f"could not ask about {DOMAIN}: no answer within 0.4 seconds."
    assert verdicts(sending, resolver, standing.dmarc) == []


def test_an_answer_too_long_for_one_packet_is_asked_for_again(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    nameserver.truncated = {DOMAIN}

    assert verdicts(sending, resolver, standing.spf) == []
    assert nameserver.asked.count((DOMAIN, "TXT")) == 2


def test_nobody_at_the_nameserver(sending: Settings) -> None:
    nobody = Resolver("127.0.0.1:1", seconds=0.3)

    (found,) = verdicts(sending, nobody, standing.spf)

    assert not found.is_error
    assert "could not ask" in found.what


def test_a_name_that_does_not_exist_has_no_records(
    nameserver: FakeNameserver, resolver: Resolver
) -> None:
    assert resolver.ask("nobody.example.org", "TXT") == Answer()
    assert resolver.ask("mx.example.net", "TXT") == Answer()


def test_the_same_question_is_asked_once(nameserver: FakeNameserver, resolver: Resolver) -> None:
    for _ in range(3):
        resolver.ask(DOMAIN, "TXT")

    assert nameserver.asked == [(DOMAIN, "TXT")]


@pytest.mark.parametrize("text", ["ns.example.org", "127.0.0.1:x", "127.0.0.1:70000", "1.2.3"])
def test_a_nameserver_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not a DNS server"):
        Resolver(text)


@pytest.mark.parametrize("text", ["9.9.9.9", "::1", "[::1]:5353", "127.0.0.1:53"])
def test_nameservers_are_written_in_many_ways(text: str) -> None:
    Resolver(text)


@pytest.mark.parametrize("name", ["x" * 64 + ".example.org", "a..example.org"])
def test_a_name_nobody_can_ask_for_is_said_so(resolver: Resolver, name: str) -> None:
    assert "cannot be asked for" in resolver.ask(name, "TXT").trouble


# DKIM

PEM = dkim.new_key("rsa")


@pytest.fixture
def signing(sending: Settings) -> Settings:
    key = DkimKey("autumn", "rsa", sending.root / "dkim.pem", PEM)
    return replace(sending, dkim=Dkim(selector="autumn"), dkim_keys=(key,))


def in_pieces(record: dkim.Record) -> str:
    return " ".join(f'"{string}"' for string in record.strings)


def shown(signing: Settings) -> dkim.Record:
    return dkim.record(dkim.signers(signing)[0])


def test_a_key_that_the_dns_shows_is_in_order(
    nameserver: FakeNameserver, resolver: Resolver, signing: Settings
) -> None:
    record = shown(signing)
    nameserver.put(record.name, "TXT", in_pieces(record))

    assert f"DKIM of {DOMAIN}" in dict(standing.examinations(signing))
    assert verdicts(signing, resolver, standing.signatures) == []


def test_a_key_that_the_dns_does_not_show(
    nameserver: FakeNameserver, resolver: Resolver, signing: Settings
) -> None:
    (found,) = verdicts(signing, resolver, standing.signatures)

    assert found.is_error
    assert f"no TXT record at autumn._domainkey.{DOMAIN}" in found.what


@pytest.mark.parametrize(
    ("value", "is_error", "words"),
    [
        ("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", True, "another key"),
        ("v=DKIM1; k=ed25519; p={p}", True, "another key"),
        ("v=DKIM1; k=rsa; p=", True, "revoked"),
        ("v=DKIM1; k=rsa", True, "another key"),
        ("v=DKIM1; k=rsa; t=y; p={p}", False, "take the signatures for a test"),
    ],
)
def test_a_key_that_is_not_ours_is_said_so(
    nameserver: FakeNameserver,
    resolver: Resolver,
    signing: Settings,
    value: str,
    *,
    is_error: bool,
    words: str,
) -> None:
    record = shown(signing)
    value = value.replace("{p}", record.value.partition("p=")[2])
    nameserver.put(record.name, "TXT", in_pieces(record._replace(value=value)))

    (found,) = verdicts(signing, resolver, standing.signatures)

    assert words in found.what
    assert found.is_error is is_error


def test_two_keys_under_one_name_and_a_server_that_cannot_say(
    nameserver: FakeNameserver, resolver: Resolver, signing: Settings
) -> None:
    record = shown(signing)
    nameserver.put(record.name, "TXT", in_pieces(record), '"v=DKIM1; p="')
    (two,) = verdicts(signing, resolver, standing.signatures)
    assert two.is_error
    assert "there are 2 records" in two.what


def test_a_key_that_nobody_could_ask_for_is_no_fault(
    nameserver: FakeNameserver, resolver: Resolver, signing: Settings
) -> None:
    nameserver.broken = {shown(signing).name}

    (found,) = verdicts(signing, resolver, standing.signatures)

    assert not found.is_error


def test_a_key_that_cannot_be_used_is_said_so(resolver: Resolver, signing: Settings) -> None:
    broken = replace(signing.dkim_keys[0], pem=b"nothing")

    (found,) = verdicts(replace(signing, dkim_keys=(broken,)), resolver, standing.signatures)

    assert found.is_error
    assert "is not a private key in PEM" in found.what


# DMARC


@pytest.mark.parametrize(
    ("records", "is_error", "words"),
    [
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), True, "there are 2 records"),
        (("v=DMARC1; rua=mailto:x@example.org",), True, "no p="),
        (("v=DMARC1; p=perhaps",), True, "no p="),
        (("something else",), False, "there is no record"),
    ],
)
def test_what_is_wrong_with_dmarc_is_said(
    nameserver: FakeNameserver,
    resolver: Resolver,
    sending: Settings,
    records: tuple[str, ...],
    *,
    is_error: bool,
    words: str,
) -> None:
    nameserver.put(f"_dmarc.{DOMAIN}", "TXT", *records)

    (found,) = verdicts(sending, resolver, standing.dmarc)

    assert words in found.what
    assert found.is_error is is_error


@pytest.mark.parametrize("policy", ["none", "quarantine", "reject"])
def test_any_policy_is_in_order_where_the_envelope_is_our_own(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings, policy: str
) -> None:
    nameserver.put(f"_dmarc.{DOMAIN}", "TXT", f"v=DMARC1;p={policy}")

    assert verdicts(sending, resolver, standing.dmarc) == []


def test_a_strict_policy_needs_a_signature_where_the_envelope_is_not_ours(
    nameserver: FakeNameserver, resolver: Resolver, signing: Settings
) -> None:
    nameserver.put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
    mail = replace(signing.mail, return_path="b@bounces.example.net")
    unsigned = replace(signing, mail=mail, dkim_keys=())

    (found,) = verdicts(unsigned, resolver, standing.dmarc)

    assert not found.is_error
    assert "unless your relay signs them" in found.what
    assert verdicts(replace(signing, mail=mail), resolver, standing.dmarc) == []


def test_the_policy_of_the_domain_above_counts(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    del nameserver.zone[f"_dmarc.{DOMAIN}", "TXT"]
    nameserver.put("_dmarc.example.org", "TXT", "v=DMARC1; p=reject; sp=none")

    assert verdicts(sending, resolver, standing.dmarc) == []
    assert ("_dmarc.org", "TXT") not in nameserver.asked


# The way back, and our own name


def test_a_domain_without_an_mx_takes_mail_itself(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    del nameserver.zone[DOMAIN, "MX"]

    assert verdicts(sending, resolver, standing.way_back) == []


@pytest.mark.parametrize(
    ("record", "words"),
    [("0 .", "takes no mail"), ("10 gone.example.net.", "gone.example.net has no address")],
)
def test_a_domain_that_takes_no_mail_is_said_so(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings, record: str, words: str
) -> None:
    nameserver.put(DOMAIN, "MX", record)

    (found,) = verdicts(sending, resolver, standing.way_back)

    assert found.is_error
    assert words in found.what


def test_a_domain_that_is_not_there_is_said_so_once_for_each(
    nameserver: FakeNameserver, resolver: Resolver, sending: Settings
) -> None:
    mail = replace(sending.mail, return_path="b@bounces.example.org")

    (found,) = verdicts(replace(sending, mail=mail), resolver, standing.way_back)

    assert found.is_error
    assert found.what.startswith("bounces.example.org: nobody takes mail")


@pytest.fixture
def own_relay(sending: Settings) -> Settings:
    return replace(sending, mail=replace(sending.mail, host="127.0.0.1"))


def test_the_name_of_this_server_matters_only_where_it_speaks_to_the_world(
    sending: Settings, own_relay: Settings
) -> None:
    assert "This server’s name" not in dict(standing.examinations(sending))
    assert "This server’s name" in dict(standing.examinations(own_relay))


def test_a_server_whose_name_leads_there_and_back_is_in_order(
    nameserver: FakeNameserver, resolver: Resolver, own_relay: Settings
) -> None:
    assert verdicts(own_relay, resolver, standing.reverse) == []

    nameserver.put("7.2.0.192.in-addr.arpa", "PTR", "mail.example.org.")
    nameserver.put("mail.example.org", "A", "192.0.2.7")

    assert verdicts(own_relay, resolver, standing.reverse) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("no address", "has no address"),
        ("no name", "has no name (PTR)"),
        ("a stranger's name", "which does not lead back to it"),
    ],
)
def test_a_server_without_a_name_is_said_so(
    nameserver: FakeNameserver, resolver: Resolver, own_relay: Settings, spoil: str, words: str
) -> None:
    if spoil == "no address":
        del nameserver.zone[DOMAIN, "A"]
    elif spoil == "no name":
        del nameserver.zone["7.2.0.192.in-addr.arpa", "PTR"]
    else:
        nameserver.put("7.2.0.192.in-addr.arpa", "PTR", "host7.example.net.")

    (found,) = verdicts(own_relay, resolver, standing.reverse)

    assert found.is_error
    assert words in found.what
