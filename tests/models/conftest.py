"""The shipped model, loaded once."""

from pathlib import Path

import pytest

from models.enricher import Enricher

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def enricher() -> Enricher:
    """The shipped model on one thread, without a cache, so that every call computes."""
    return Enricher.load(threads=1, cache_size=0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled posts next to the project; skips the test if it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data: labelled posts are not part of the project")
    return SHARED_DATA
