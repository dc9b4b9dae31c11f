"""Issues as published: rows, editions and pictures in the database.

What a reader sees comes from here and never from a file, so an edit changes nothing until
it is published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from connector.database import Connection, Transaction
from connector.publishing.editions import Audience, Surface
from connector.publishing.images import Image

EditionKey = tuple[Surface, Audience]


@dataclass(frozen=True)
class PublishedIssue:
    """A row of `issues`. `authors` and `tags` are joined with commas; `image` is an address."""

    id: int
    slug: str
    title: str
    subtitle: str
    description: str
    authors: str
    tags: str
    image: str
    image_alt: str
    canonical: str
    words: int
    source: str
    published_at: int
    updated_at: int


def by_slug(connection: Connection, slug: str, now: int) -> PublishedIssue | None:
    """The issue at `/p/slug`, once its time has come."""
    return connection.one(
        "SELECT * FROM issues WHERE slug = :slug AND published_at <= :now",
        into=PublishedIssue,
        slug=slug,
        now=now,
    )


def archive(connection: Connection, now: int) -> list[PublishedIssue]:
    """Every issue that is out, newest first."""
    return connection.all(
        "SELECT * FROM issues WHERE published_at <= :now ORDER BY published_at DESC, id DESC",
        into=PublishedIssue,
        now=now,
    )


def recent(connection: Connection, now: int, *, limit: int) -> list[PublishedIssue]:
    """The newest issues that are out, newest first."""
    return connection.all(
        """
        SELECT * FROM issues WHERE published_at <= :now
         ORDER BY published_at DESC, id DESC LIMIT :limit
        """,
        into=PublishedIssue,
        now=now,
        limit=limit,
    )


def latest(connection: Connection, now: int) -> PublishedIssue | None:
    """The newest issue that is out."""
    found = recent(connection, now, limit=1)
    return found[0] if found else None


def kept(connection: Connection, slug: str) -> PublishedIssue | None:
    """The issue with this slug, whether its time has come or not."""
    return connection.one("SELECT * FROM issues WHERE slug = :slug", into=PublishedIssue, slug=slug)


def edition(connection: Connection, issue: int, surface: Surface, audience: Audience) -> str | None:
    """The body of one edition; None when there is no such issue."""
    body: str | None = connection.value(
        """
        SELECT body FROM editions
         WHERE issue_id = :issue AND surface = :surface AND audience = :audience
        """,
        issue=issue,
        surface=surface,
        audience=audience,
    )
    return body


def editions(connection: Connection, issue: int) -> dict[EditionKey, str]:
    """Every edition of an issue."""
    rows = connection.rows(
        "SELECT surface, audience, body FROM editions WHERE issue_id = :issue", issue=issue
    )
    return {(surface, audience): body for surface, audience, body in rows}


def image(connection: Connection, digest: str) -> Image | None:
    """A picture by the digest in its address."""
    return connection.one(
        "SELECT digest, media_type, width, height, bytes FROM images WHERE digest = :digest",
        into=Image,
        digest=digest,
    )


def version(connection: Connection, name: str = "pages") -> int:
    """A number that grows whenever what `name` means has changed."""
    number: int | None = connection.value(
        "SELECT number FROM versions WHERE name = :name", name=name
    )
    return number or 0


def bump(tx: Transaction, name: str = "pages") -> None:
    """Say that what `name` means has changed."""
    tx.run("UPDATE versions SET number = number + 1 WHERE name = :name", name=name)


def add(tx: Transaction, issue: PublishedIssue) -> int:
    """Keep a new issue; its own `id` is not looked at. Returns the id it got."""
    return int(
        tx.value(
            """
            INSERT INTO issues (slug, title, subtitle, description, authors, tags, image,
                                image_alt, canonical, words, source, published_at, updated_at)
            VALUES (:slug, :title, :subtitle, :description, :authors, :tags, :image,
                    :image_alt, :canonical, :words, :source, :published_at, :updated_at)
            RETURNING id
            """,
            **asdict(issue),
        )
    )


def replace(tx: Transaction, issue: PublishedIssue) -> None:
    """Renew the row of an issue in its place."""
    tx.run(
        """
        UPDATE issues
           SET title = :title, subtitle = :subtitle, description = :description,
               authors = :authors, tags = :tags, image = :image, image_alt = :image_alt,
               canonical = :canonical, words = :words, source = :source,
               published_at = :published_at, updated_at = :updated_at
         WHERE id = :id AND slug = :slug
        """,
        **asdict(issue),
    )


def put_editions(tx: Transaction, issue: int, bodies: Mapping[EditionKey, str]) -> None:
    """Keep an issue's editions in place of those it had."""
    tx.many(
        """
        INSERT INTO editions (issue_id, surface, audience, body)
        VALUES (:issue, :surface, :audience, :body)
        ON CONFLICT (issue_id, surface, audience) DO UPDATE SET body = excluded.body
        """,
        [
            {"issue": issue, "surface": surface, "audience": audience, "body": body}
            for (surface, audience), body in bodies.items()
        ],
    )


def put_images(tx: Transaction, pictures: Iterable[Image]) -> None:
    """Keep pictures; one that is there already stays as it is. None is ever taken away,
    since letters that went out point to it.
    """
    tx.many(
        """
        INSERT INTO images (digest, media_type, width, height, bytes)
        VALUES (:digest, :media_type, :width, :height, :bytes)
        ON CONFLICT (digest) DO NOTHING
        """,
        [asdict(picture) for picture in pictures],
    )
