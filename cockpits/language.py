"""Superset's texts in Chinese: what its own catalogue has reviewed, and our overlay for the rest.

The catalogue in the wheel has 1,647 fuzzy and 547 empty entries of 4,597; the front end is served the fuzzy ones as if
they were right, though some say the opposite. Here they are dropped, so that a text is right or plainly English, and
the overlay gives every text that a reader of a cockpit meets (tests/browser/test_overview_cockpit.py looks).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from cockpits import located
from cockpits.located import Problem

OVERLAY_FILE = Path(__file__).parent / "translations" / "zh.yaml"
LOCALE = "zh"

#: d3-time-format's locale.
TIME_FORMAT: dict[str, Any] = {
    "dateTime": "%Y年%-m月%-d日 %H:%M:%S",
    "date": "%Y-%m-%d",
    "time": "%H:%M:%S",
    "periods": ["上午", "下午"],
    "days": ["星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"],
    "shortDays": ["周日", "周一", "周二", "周三", "周四", "周五", "周六"],
    "months": [f"{month}月" for month in range(1, 13)],
    "shortMonths": [f"{month}月" for month in range(1, 13)],
}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]")
#: Its value is written in English by the front end, so the Chinese text does without.
_WITHOUT_VALUE = {"Cached %s", "Fetched %s"}


def _superset_dir() -> Path:
    """Where Superset is installed, found without importing it."""
    spec = importlib.util.find_spec("superset")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Superset is not installed here")
    return Path(spec.submodule_search_locations[0])


def catalogue() -> tuple[dict[str, str], set[str]]:
    """The wheel's reviewed texts (English -> Chinese), and the English of those that are fuzzy or empty."""
    path = _superset_dir() / "translations" / LOCALE / "LC_MESSAGES" / "messages.po"
    reviewed: dict[str, str] = {}
    unreviewed: set[str] = set()
    with path.open("rb") as file:
        for message in read_po(file, locale=LOCALE, ignore_obsolete=True):
            english, chinese = _first_form(message.id), _first_form(message.string)
            if "fuzzy" in message.flags or not chinese:
                unreviewed.add(english)
            else:
                reviewed[english] = chinese
    return reviewed, unreviewed - {""}


def _first_form(text: Any) -> str:
    """A text, or the first of its plural forms."""
    return text if isinstance(text, str) else text[0] if text else ""


def load_overlay() -> dict[str, str]:
    """Superset's English text -> our Chinese."""
    overlay = located.load(OVERLAY_FILE)
    if isinstance(overlay, Problem):
        raise ValueError(str(overlay))
    return dict(overlay)


def language_pack() -> dict[str, Any]:
    """What the front end gets: a Jed pack of reviewed texts, one form each, since Chinese has no plural."""
    texts = catalogue()[0] | load_overlay()
    header = {"domain": "superset", "lang": LOCALE, "plural_forms": "nplurals=1; plural=0"}
    messages: dict[str, Any] = {"": header} | {english: [chinese] for english, chinese in sorted(texts.items())}
    return {"domain": "superset", "locale_data": {"superset": messages}}


def overlay_problems() -> Iterator[Problem]:
    """Overlay entries that Superset does not ask for, or that lose a value."""
    overlay = located.load(OVERLAY_FILE)
    if isinstance(overlay, Problem):
        yield overlay
        return
    reviewed, unreviewed = catalogue()
    unknown = overlay.keys() - reviewed.keys() - unreviewed
    if unknown:
        # Newer than the catalogue: then the scripts ask for it.
        for script in (_superset_dir() / "static" / "assets").glob("*.js"):
            text = script.read_text(encoding="utf-8")
            unknown = {english for english in unknown if english not in text}
    for english, chinese in overlay.items():
        line = overlay.line_of(english)
        if not isinstance(english, str) or not isinstance(chinese, str) or not chinese:
            yield Problem(OVERLAY_FILE, line, "a text is expected: put it in quotes")
        elif english in unknown:
            yield Problem(OVERLAY_FILE, line, f"Superset has no text {english!r}")
        elif english not in _WITHOUT_VALUE and sorted(_PLACEHOLDER.findall(english)) != sorted(
            _PLACEHOLDER.findall(chinese)
        ):
            yield Problem(OVERLAY_FILE, line, f"{english!r} has other values than its Chinese")
