"""Every back end in every precision, loaded once, and texts to compare them on."""

import importlib.util
import random
from collections.abc import Callable
from functools import cache

import pytest

from models.backends.choice import PACKAGES, has_cuda
from models.enricher import Enricher
from streams.contracts import Post
from streams.sample_day import sample_day

Opened = Callable[[str, str], Enricher]


@pytest.fixture(scope="session")
def opened() -> Opened:
    """Load a back end without a cache; skip the test if its packages or a GPU are missing."""

    @cache
    def load(backend: str, precision: str) -> Enricher:
        for package in PACKAGES[backend]:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed: pip install 'tagpulse[{backend}]'")
        if precision == "f16" and not has_cuda():
            pytest.skip("f16 needs a CUDA device, and none is available")
        return Enricher.load(backend=backend, precision=precision, threads=2, cache_size=0)  # type: ignore[arg-type]

    return load


@pytest.fixture(scope="session")
def invented() -> list[str]:
    """200 texts from the sample day, in all its languages."""
    texts = sorted({message.text for message in sample_day() if isinstance(message, Post)})
    return random.Random(0).sample(texts, 200)
