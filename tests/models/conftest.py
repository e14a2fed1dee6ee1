"""The shipped model, loaded once, and tiny models in the layout of the Hugging Face hub."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.enricher import Enricher

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def enricher() -> Enricher:
    """The shipped model on one thread, without a cache, so that every call computes."""
    return Enricher.load(threads=1, cache_size=0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled posts next to the project; the test is skipped if it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data: labelled posts are not part of the project")
    return SHARED_DATA


@pytest.fixture
def hub_offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prevent downloads from the hub, and restore the number of torch's threads, which its models change."""
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Save a tiny classifier with random weights: `make_model("moods", ["NEG", "POS"])`."""
    from tests.helpers.classifiers import save_classifier

    def make(name: str, labels: list[str], **config: Any) -> Path:
        return save_classifier(tmp_path / name, labels, **config)

    return make
