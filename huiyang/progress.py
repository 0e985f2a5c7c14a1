"""How long work tells whoever waits how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with what is being done, in a few words, and the fraction of the whole that is done, 0 to 1.
Progress = Callable[[str, float], None]
