"""How long work tells whoever waits how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work."""

    def __call__(self, what: str, done: float, total: float = 1, /) -> None:
        """Args:
        what: what is being done, in a few words.
        done: how much of `total`; by default a fraction of the whole.
        """
