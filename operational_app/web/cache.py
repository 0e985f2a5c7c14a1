"""Values that are dear to compute and may be some minutes old."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any


@dataclass(frozen=True)
class Dated:
    """A value and when it was computed."""

    value: Any
    at: datetime


class TimedCache:
    """Keeps values by key for a time; computes each once, however many ask at once."""

    def __init__(self, keep_for: timedelta, most: int = 1000) -> None:
        self._keep_for = keep_for
        self._most = most
        self._values: dict[Hashable, Dated] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, now: datetime, compute: Callable[[], Any]) -> Dated:
        """The value of `key`, computed unless it is fresh. A failed computation keeps nothing."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            found = self._values.get(key)
            if found is not None and now - found.at < self._keep_for:
                return found
            fresh = Dated(compute(), now)
            with self._lock:
                if len(self._values) >= self._most:
                    self._values.clear()
                    self._locks = {key: lock}
                self._values[key] = fresh
            return fresh

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
