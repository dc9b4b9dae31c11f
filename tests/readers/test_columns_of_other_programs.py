"""Lists as other newsletter programs export them, read as they are meant."""

from connector import clock
from connector.readers.columns import (
    Columns,
    columns_in,
    member_until,
    name_in,
    since_in,
    standing_in,
)

NOW = 1_790_000_000_000
SUBSTACK = "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at"
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
    "deleted_at,labels,tiers"
)
MAILCHIMP = '"Email Address","First Name","Last Name",Address,MEMBER_RATING,OPTIN_TIME'
BUTTONDOWN = "email,notes,metadata,tags,type,creation_date"


def columns(header: str) -> Columns:
    found = columns_in([cell.strip('"') for cell in header.split(",")])
    assert found is not None
    return found


def read(header: str, row: str) -> tuple[str, str, str, str, object]:
    cells, found = row.split(","), columns(header)
    return (
        cells[found.email],
        name_in(found, cells),
        clock.utc(since_in(found, cells, now=NOW)),
        standing_in(found, cells),
        member_until(found, cells, now=NOW),
    )


def test_substack() -> None:
    assert read(SUBSTACK, "e@example.org,false,,,false,2023-04-05T06:07:08.123Z,") == (
        "e@example.org",
        "",
        "2023-04-05T06:07:08Z",
        "active",
        None,
    )
    until = clock.parse("2027-01-01", now=NOW)
    row = "e@example.org,true,2027-01-01T00:00:00.000Z,comp,false,2023-04-05T06:07:08.123Z,"
    assert read(SUBSTACK, row)[4] == until
    assert read(SUBSTACK, "e@example.org,true,,founding,false,2023-04-05,")[4] == "always"
    assert read(SUBSTACK, "e@example.org,false,2020-01-01,monthly,false,2019-04-05,")[4] is None
    assert read(SUBSTACK, "e@example.org,true,2020-01-01,monthly,false,2019-04-05,")[4] is None
    assert read(SUBSTACK, "e@example.org,false,,,true,2023-04-05,")[3] == "unsubscribed"


def test_ghost() -> None:
    assert read(GHOST, "1,e@example.org,Eva,,true,false,,2021-08-09T10:00:00.000Z,,,") == (
        "e@example.org",
        "Eva",
        "2021-08-09T10:00:00Z",
        "active",
        None,
    )
    assert read(GHOST, "1,e@example.org,Eva,,false,true,,2021-08-09,,,Gold")[3:] == (
        "unsubscribed",
        "always",
    )
    assert read(GHOST, "1,e@example.org,E,,true,false,,2021-08-09,2022-01-01,,")[3] == (
        "unsubscribed"
    )


def test_mailchimp() -> None:
    row = "e@example.org,Eva,Lind,12 Quay,2,2021-08-09 10:11:12"
    assert read(MAILCHIMP, row) == (
        "e@example.org",
        "Eva Lind",
        "2021-08-09T10:11:12Z",
        "active",
        None,
    )
    assert read(MAILCHIMP, "e@example.org,,Lind,,,")[1] == "Lind"


def test_buttondown() -> None:
    assert read(BUTTONDOWN, "e@example.org,,,,regular,2024-02-03")[3:] == ("active", None)
    assert read(BUTTONDOWN, "e@example.org,,,,premium,2024-02-03")[3:] == ("active", "always")
    assert read(BUTTONDOWN, "e@example.org,,,,unactivated,2024-02-03")[3:] == ("pending", None)
    assert read(BUTTONDOWN, "e@example.org,,,,removed,2024-02-03")[3] == "unsubscribed"


def test_words_for_an_address_that_is_dead() -> None:
    assert read("email,status", "e@example.org,Cleaned")[3] == "suppressed"
    assert read("email,status", "e@example.org,bounced")[3] == "suppressed"


def test_a_date_that_cannot_be_or_is_to_come_is_today() -> None:
    today = clock.utc(NOW)

    for date in ("", "yesterday", "03/04/2023", "0001-01-01", "2999-01-01", "9999-12-31T23:59:59"):
        assert read("email,created_at", f"e@example.org,{date}")[2] == today


def test_a_row_shorter_than_its_header_says_nothing_more() -> None:
    assert read(GHOST, "1,e@example.org") == (
        "e@example.org",
        "",
        clock.utc(NOW),
        "active",
        None,
    )


def test_an_address_needs_a_column() -> None:
    assert columns_in(["Name", "Address"]) is None
    assert columns(" E-Mail Address ").email == 0
