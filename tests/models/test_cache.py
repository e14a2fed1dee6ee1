import pytest

from models.cache import CacheInfo, LruCache


def test_it_forgets_the_least_recently_used() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c")) == (1, 3)
    assert cache.info() == CacheInfo(hits=3, misses=1, maxsize=2, currsize=2)


def test_size_zero_keeps_nothing() -> None:
    cache: LruCache[str, int] = LruCache(0)
    cache.put("a", 1)
    assert cache.get("a") is None
    assert cache.info().currsize == 0


def test_shared_hits_are_counted() -> None:
    cache: LruCache[str, int] = LruCache(1)
    cache.count_shared(3)
    assert cache.info().hits == 3


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        LruCache(-1)
