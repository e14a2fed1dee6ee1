"""A bounded least-recently-used cache with counters for metrics."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CacheInfo(NamedTuple):
    """Counters since the cache was created, as in `functools.lru_cache`."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class LruCache(Generic[K, V]):
    """A least-recently-used cache of at most `maxsize` values; 0 disables it. Not thread-safe: callers must lock."""

    def __init__(self, maxsize: int) -> None:
        if maxsize < 0:
            raise ValueError(f"the cache size must be 0 or more, not {maxsize}")
        self._maxsize = maxsize
        self._values: OrderedDict[K, V] = OrderedDict()
        self._hits = 0
        self._misses = 0

    def get(self, key: K) -> V | None:
        """Return the value and count a hit, or return None and count a miss."""
        value = self._values.get(key)
        if value is None:
            self._misses += 1
            return None
        self._hits += 1
        self._values.move_to_end(key)
        return value

    def count_shared(self, hits: int) -> None:
        """Count hits for keys that are repeated before their value could be cached."""
        self._hits += hits

    def put(self, key: K, value: V) -> None:
        """Cache a value, evicting the least recently used one if the cache is full."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._maxsize:
            self._values.popitem(last=False)

    def get_all(self, keys: Sequence[K], compute: Callable[[list[K]], Sequence[V]]) -> list[V]:
        """Return the values of `keys`, in order; compute the missing ones in one call, each once, and cache them."""
        values: dict[K, V] = {}
        missing: list[K] = []
        for key in dict.fromkeys(keys):
            if (cached := self.get(key)) is None:
                missing.append(key)
            else:
                values[key] = cached
        self.count_shared(len(keys) - len(values) - len(missing))
        for key, value in zip(missing, compute(missing) if missing else (), strict=True):
            values[key] = value
            self.put(key, value)
        return [values[key] for key in keys]

    def info(self) -> CacheInfo:
        """Return the counters."""
        return CacheInfo(self._hits, self._misses, self._maxsize, len(self._values))
