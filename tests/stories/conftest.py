"""The engine that a story of a whole module plays on."""

from collections.abc import Iterator

import pytest

from tests import clusters


@pytest.fixture(scope="module", params=clusters.ENGINES)
def house(request: pytest.FixtureRequest) -> Iterator[str]:
    """What CONNECTOR_DATABASE is to say; nothing for a file in the publication's folder."""
    if request.param == "sqlite":
        yield ""
        return
    with clusters.database() as url:
        yield url
