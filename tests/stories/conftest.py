"""The engine that a story of a whole module plays on."""

import pytest

from tests import clusters


@pytest.fixture(scope="module", params=clusters.ENGINES)
def engine_of_story(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgres`; see `clusters.place`."""
    return str(request.param)
