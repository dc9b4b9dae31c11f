"""The plain-text edition is set as carefully as the rest."""

from connector.publishing.columns import COLUMNS, wide, wrapped
from tests.publishing.conftest import Desk


def text(desk: Desk, body: str) -> str:
    return desk.cut(body).editions.text["everyone"]


def test_paragraphs_are_wrapped_at_72_columns(desk: Desk) -> None:
    found = text(desk, "word " * 100)

    assert max(map(len, found.splitlines())) <= COLUMNS
    assert found.count("word") == 100


def test_headings_are_underlined(desk: Desk) -> None:
    assert text(desk, "## One\n\nwords\n\n### Two\n") == "One\n---\n\nwords\n\nTwo\n~~~\n"


def test_links_are_numbered_once_and_listed(desk: Desk) -> None:
    found = text(
        desk,
        "A [b](https://example.org/b), [c](/c), [b again](https://example.org/b),\n"
        "https://example.org/d and ines@example.org, [below](#x).\n\n## x\n",
    )

    assert found.startswith(
        "A b [1], c [2], b again [1], https://example.org/d and ines@example.org,\nbelow [3]."
    )
    assert found.endswith(
        "Links\n-----\n\n[1] https://example.org/b\n[2] https://letters.example.org/c\n"
        "[3] https://letters.example.org/p/a-quiet-harbour#x\n"
    )


def test_quotations_keep_their_mark_on_every_line(desk: Desk) -> None:
    found = text(desk, "> " + "word " * 20 + "\n>\n> Second.\n>\n> > Deep.\n\nAfter.\n")

    assert found == (
        "> word word word word word word word word word word word word word word\n"
        "> word word word word word word\n"
        ">\n> Second.\n>\n> > Deep.\n\nAfter.\n"
    )


def test_lists_hang(desk: Desk) -> None:
    found = text(desk, "Before:\n\n- one\n- two\n  - deep\n- \n\n9. nine\n10. ten\n\n    more\n")

    assert found == ("Before:\n\n* one\n* two\n  * deep\n*\n\n9. nine\n\n10. ten\n\n    more\n")


def test_a_list_with_paragraphs_has_air_between_its_items(desk: Desk) -> None:
    found = text(desk, "- one\n\n  more\n\n- two\n  - deep\n- three\n")

    assert found == "* one\n\n  more\n\n* two\n\n  * deep\n\n* three\n"


def test_code_and_hard_breaks_keep_their_lines(desk: Desk) -> None:
    line = "x" * 90

    found = text(desk, f"Rose  \nViolet\\\nBlue\n\n```\nif a:\n\n    {line}\n```\n")

    assert found == f"Rose\nViolet\nBlue\n\n    if a:\n\n        {line}\n"


def test_a_narrow_table_stays_a_table(desk: Desk) -> None:
    found = text(desk, "| What | How many |\n| - | -: |\n| lamps | 7 |\n| 港 | 31 |\n")

    assert found == ("What   How many\n-----  --------\nlamps         7\n港           31\n")


def test_a_wide_table_becomes_a_list_of_rows(desk: Desk) -> None:
    long = "long words " * 7

    found = text(desk, f"| What | Which |\n| - | - |\n| one | {long} |\n| two | {long} |\n")

    assert found.startswith("What: one\nWhich: long words")
    assert max(map(len, found.splitlines())) <= COLUMNS


def test_pictures_are_named_and_linked(desk: Desk) -> None:
    desk.picture()

    found = text(desk, '![A bench.](bench.jpg "The *bench*")\n')

    assert found.startswith("[Picture: A bench.] [1]\nThe _bench_\n\nLinks\n")
    assert "[1] https://letters.example.org/images/" in found


def test_asking_is_in_a_quiet_frame(desk: Desk) -> None:
    found = text(desk, "Before.\n\n::: ask\nOne.\n\nTwo.\n:::\n\nAfter.\n")

    assert found == "Before.\n\n| One.\n|\n| Two.\n\nAfter.\n"


def test_a_break_is_three_stars(desk: Desk) -> None:
    assert text(desk, "a\n\n---\n\nb\n").split("\n")[2].strip() == "* * *"


def test_wide_signs_take_two_columns_and_break_without_spaces(desk: Desk) -> None:
    found = text(desk, "港のベンチは誰のものでもない。" * 10)

    assert max(map(wide, found.splitlines())) <= COLUMNS
    assert not any(line.startswith("。") for line in found.splitlines())
    assert found.replace("\n", "") == "港のベンチは誰のものでもない。" * 10


def test_only_a_single_word_may_be_longer_than_a_line() -> None:
    assert wrapped("a " + "b" * 20 + " c", 10) == ["a", "b" * 20, "c"]
