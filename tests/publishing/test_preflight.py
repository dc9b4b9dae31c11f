"""What preflight finds, where, and how grave it is."""

from dataclasses import replace

import pytest

from connector import clock
from connector.delivery.encoding import quoted_printable
from connector.publishing import preflight
from connector.publishing.finding import Finding
from tests.publishing.conftest import Desk

START = 5  # the body begins on this line when the front matter has title and preheader


def found(desk: Desk, body: str, words: str) -> Finding:
    findings = [one for one in desk.findings(body) if words in one.message]
    assert len(findings) == 1, desk.findings(body)
    return findings[0]


def test_a_good_issue_has_nothing_to_mend(desk: Desk) -> None:
    desk.picture()

    findings = desk.findings(
        "Dear reader,[^1]\n\n## One\n\n### Two\n\n![A bench](bench.jpg)\n\n"
        "[words](https://example.org), [ours](/p/x), [below](#one), [mail](mailto:a@example.org)\n\n"
        "::: ask\nPlease.\n:::\n\n`{{ code }}`\n\n[^1]: Note.\n"
    )

    assert findings == ()


@pytest.mark.parametrize(
    ("line", "severity", "words"),
    [
        ("::: aks\n:::", "error", "“aks” is not a block I know"),
        ("::: ask\nnever closed", "error", "“ask” is never closed"),
        (":::", "error", "closes nothing"),
        ("::: button\nno link\n:::", "error", "“button” has no link"),
        ("::: card\nno link\n:::", "error", "“card” has no link"),
        ("![](https://example.org/x.png) words", "warning", "has no description"),
        ("![x](https://example.org/x.png)", "warning", "kept by another site"),
        ("![x](nowhere.jpg)", "error", "no picture “nowhere.jpg”"),
        ("![x](../../etc/passwd)", "error", "outside the publication"),
        ("![x](data:image/png;base64,AAAA)", "error", "does not show pictures written into it"),
        ("![x]()", "error", "has no file"),
        ("words [](https://example.org)", "warning", "has no words"),
        ("words [words]()", "error", "leads nowhere"),
        ("words [words](other.md)", "error", "“other.md” leads nowhere from a letter"),
        ("words [words](#nowhere)", "error", "no heading for #nowhere"),
        ("words [words](https://)", "error", "is not an address"),
        ("words [words](https:///x)", "error", "is not an address"),
        ("words [words](https://exa..mple)", "error", "is not an address"),
        ("words [words](//example.org)", "error", "“//example.org” leads nowhere"),
        ("words [words](http://localhost:8000/x)", "warning", "only works on this machine"),
        ("words [words](https://intranet/x)", "warning", "names no site"),
        ("words [words](ftp://example.org)", "warning", "may not open everywhere"),
        ("words [words](mailto:nobody)", "error", "has no address"),
        ("words [words](javascript:x)", "error", "“javascript:” is refused"),
        ("words [words](https://example.org/a b)", "error", "This link is broken"),
        ("words [words][name]", "warning", "whose address is missing"),
        ("words[^1]", "error", "The note [^1] is not written"),
        ("[^1]: A note.", "warning", "Nothing refers to the note [^1]"),
        ("There were TK of them.", "warning", "“TK” is still here"),
        ("TODO: write", "warning", "“TODO” is still here"),
        ("Dear {{ name }},", "warning", "“{{ name }}” looks like a mark"),
        ("{% if x %}", "warning", "“{% if x %}” looks like a mark"),
        ("Dear [[name]],", "warning", "[[name]] becomes the reader’s own"),
        ("A <b>word</b>", "warning", "HTML is shown as it is typed: “<b>”"),
        ("#### Deep", "warning", "jumps from level 1 to level 4"),
        ("# Top", "note", "only heading of the first level"),
    ],
)
def test_each_slip_is_found_on_its_line(desk: Desk, line: str, severity: str, words: str) -> None:
    body = f"First.\n\nSecond,\nand third.\n\n{line}\n"

    finding = found(desk, body, words)

    assert finding.severity == severity
    assert finding.place == f"a-quiet-harbour.md:{START + 5}"
    assert finding.cure


def test_lines_are_counted_within_a_paragraph(desk: Desk) -> None:
    finding = found(desk, "One\ntwo *three*\nfour TK\n", "TK")

    assert finding.place == f"a-quiet-harbour.md:{START + 2}"


def test_an_unknown_block_is_asked_about(desk: Desk) -> None:
    finding = found(desk, "::: aks\nx\n:::\n", "aks")

    assert finding.cure == "Did you mean “ask”?"


@pytest.mark.parametrize("body", ["", "\n\n", "::: more\n:::\n", "[^1]: unused\n"])
def test_an_issue_with_nothing_to_read_is_an_error(desk: Desk, body: str) -> None:
    assert any(one.severity == "error" for one in desk.findings(body))


def test_a_draft_is_not_published(desk: Desk) -> None:
    findings = desk.findings("Hi.", "title: Hello\npreheader: x\nstatus: draft\n")

    assert [one.message for one in findings] == ["This issue is still a draft."]
    assert findings[0].severity == "error"


@pytest.mark.parametrize(
    ("front", "words", "severity"),
    [
        ("date: 2026-09-25\n", "in the future", "warning"),
        ("date: 2206-09-25\n", "more than a year ahead", "warning"),
        ("date: 1026-09-25\n", "long past", "warning"),
        (f"subject: {'x' * 80}\n", "The subject has 80 characters", "warning"),
        ("subtitle: TK\n", "In subtitle: “TK”", "warning"),
        ("image: bench.jpg\n", "has no description", "warning"),
    ],
)
def test_front_matter_is_looked_at_too(desk: Desk, front: str, words: str, severity: str) -> None:
    desk.picture()

    findings = desk.findings("Hi.", f"title: Hello\npreheader: x\n{front}")

    assert [one.severity for one in findings if words in one.message] == [severity]


def test_a_long_preheader_is_a_warning_and_a_missing_one_a_note(desk: Desk) -> None:
    long = desk.findings("Hi.", f"title: Hello\npreheader: {'x' * 200}\n")
    missing = desk.findings("Hi.", "title: Hello\n")

    assert [(one.severity, one.message[:13]) for one in long] == [("warning", "The preheader")]
    assert [one.severity for one in missing] == ["note"]


def test_two_files_with_one_address_are_an_error(desk: Desk) -> None:
    desk.write("---\ntitle: Other\n---\nHi.", "2026-01-01-a-quiet-harbour.md")

    finding = found(desk, "Hi.", "/p/a-quiet-harbour")

    assert finding.severity == "error"
    assert "2026-01-01-a-quiet-harbour.md" in finding.message


@pytest.mark.parametrize(("paragraphs", "severity"), [(270, "warning"), (320, "error")])
def test_a_letter_that_gmail_would_cut_is_found(desk: Desk, paragraphs: int, severity: str) -> None:
    body = f"{'word ' * 58}\n\n" * paragraphs

    findings = [one for one in desk.findings(body) if "Gmail" in one.message]

    assert {one.severity for one in findings} == {severity}
    assert "bytes of HTML" in findings[0].message


def test_the_size_on_the_way_is_close_to_what_the_post_office_makes(desk: Desk) -> None:
    html = desk.prepare("Größe = “viel” — 港\n\n" * 300 + "x" * 2000).letters["member"].html

    guess, real = preflight.encoded_size(html), len(quoted_printable(html))

    assert abs(guess - real) < real * 0.03


@pytest.mark.parametrize(
    ("changed", "severity", "words"),
    [
        ({"address": ""}, "warning", "no postal address"),
        ({"url": "http://letters.example.org"}, "warning", "address is http"),
    ],
)
def test_what_the_publication_lacks_is_said(
    desk: Desk, changed: dict[str, str], severity: str, words: str
) -> None:
    publication = replace(desk.settings.publication, **changed)
    desk.settings = replace(desk.settings, publication=publication)

    findings = desk.findings("Hi.")

    assert [one.severity for one in findings if words in one.message] == [severity]


def test_links_to_this_machine_are_not_mailed_to_readers(desk: Desk) -> None:
    desk.settings = replace(
        desk.settings,
        publication=replace(desk.settings.publication, url="http://127.0.0.1:8000"),
        mail=replace(desk.settings.mail, host="relay.example.org"),
    )

    findings = desk.findings("Hi.")

    assert [one.severity for one in findings] == ["error"]


def test_a_day_ahead_is_no_surprise(desk: Desk) -> None:
    tomorrow = clock.moment(desk.now + clock.HOUR).isoformat()

    findings = desk.findings("Hi.", f"title: Hello\npreheader: x\ndate: {tomorrow}\n")

    assert findings == ()
