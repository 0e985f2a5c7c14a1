"""Sort and search keys of personal names: pinyin, initials, and the ranges that find a typed query in them.

`name_pinyin` is "chen zhi qiang": the space sorts 陈 (chen) wholly before 程 (cheng). `name_initials` is "czq".
Both are looked up by text ranges, because an operator that is not leakproof (LIKE) loses its index under row-level
security.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from pypinyin import lazy_pinyin
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

#: Surnames whose reading is not the character's usual one (单 Shàn, not dān). In a given name the usual one holds.
SURNAME_READINGS = {
    "单": "shan", "仇": "qiu", "曾": "zeng", "解": "xie", "查": "zha", "区": "ou", "盖": "ge", "朴": "piao",
    "乐": "yue", "翟": "zhai", "缪": "miao", "覃": "qin", "重": "chong", "种": "chong", "牟": "mu",
    "员": "yun", "句": "gou",
    "召": "shao", "秘": "bi", "祭": "zhai", "黑": "he", "长": "chang", "折": "she", "洗": "xian", "阚": "kan",
    "便": "pian", "能": "nai", "粘": "nian", "乜": "nie", "么": "yao", "卜": "bu", "薄": "bo", "都": "du",
    "任": "ren", "华": "hua", "纪": "ji", "宁": "ning", "尉": "wei", "冼": "xian", "柏": "bai",
    "尉迟": "yu chi", "万俟": "mo qi", "长孙": "zhang sun", "单于": "chan yu", "澹台": "tan tai", "乐正": "yue zheng",
}  # fmt: skip

_HAN = "\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PARTS = re.compile(f"[{_HAN}]+|[a-z0-9]+")
_SPACE_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}·])\s+|\s+(?=[{_HAN}·])")
_MIDDLE_DOTS = re.compile("[•・‧∙⋅●]|(?<=[" + _HAN + "])[.](?=[" + _HAN + "])")
#: Above every character of a name: the open end of a prefix range under code-point order (C.UTF-8).
_LAST_CHARACTER = "\U0010ffff"
#: A typed query splits into syllables in few plausible ways ("xian": xian, xi an, xia n).
_MOST_SPLITS = 12


def normalise_name(text: str | None) -> str:
    """NFKC; one middle dot for all its look-alikes; no spaces in Chinese names, single ones in others; "" for None."""
    if not text:
        return ""
    name = _MIDDLE_DOTS.sub("·", unicodedata.normalize("NFKC", text))
    return _SPACE_BESIDE_HAN.sub("", " ".join(name.split()))


def pinyin_key(name: str | None) -> str:
    """`name_pinyin`: lower-case syllables without tones (ü is v) separated by spaces; "" for an empty name."""
    return " ".join(_syllables(normalise_name(name)))


def initials_key(name: str | None) -> str:
    """`name_initials`: the first letter of each syllable; "" for an empty name."""
    return "".join([syllable[0] for syllable in _syllables(normalise_name(name))])


def name_keys_many(names: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """`pinyin_key` and `initials_key` of a column; each distinct name is read once."""
    keys: dict[str | None, tuple[str, str]] = {}
    for name in dict.fromkeys(names):
        syllables = _syllables(normalise_name(name))
        keys[name] = " ".join(syllables), "".join([syllable[0] for syllable in syllables])
    return [keys[name][0] for name in names], [keys[name][1] for name in names]


def prefix_range(prefix: str) -> tuple[str, str]:
    """(lo, hi): the texts that start with `prefix` are those with lo <= text < hi, under code-point order."""
    return prefix, prefix + _LAST_CHARACTER


def pinyin_ranges(query: str) -> list[tuple[str, str]]:
    """Ranges of `name_pinyin` that a typed query may mean; a name matches if it lies in any of them.

    "chenzhi" and "chen zhi" both find "chen zhi qiang"; the last syllable may be unfinished. At most 12 ranges, those
    with the fewest syllables; none where the letters are no pinyin.
    """
    splits = [""]
    chunks = re.findall("[a-z0-9]+", query.lower().replace("ü", "v").replace("'", " "))
    for position, chunk in enumerate(chunks):
        unfinished = position == len(chunks) - 1
        splits = [
            f"{before} {after}".strip() for before in splits for after in _split_syllables(chunk, unfinished=unfinished)
        ]
    splits.sort(key=lambda split: (split.count(" "), split))
    return [prefix_range(split) for split in splits[:_MOST_SPLITS] if split]


def _syllables(name: str) -> list[str]:
    syllables: list[str] = []
    for part in _PARTS.findall(name.lower()):
        if part.isascii():
            syllables.append(part)
            continue
        if not syllables:
            surname = part[:2] if part[:2] in SURNAME_READINGS else part[:1]
            syllables += _surname_reading(surname)
            part = part[len(surname) :]
        syllables += _given_name_readings(part)
    return syllables


@cache
def _surname_reading(surname: str) -> list[str]:
    return SURNAME_READINGS[surname].split() if surname in SURNAME_READINGS else lazy_pinyin(surname)


def _given_name_readings(name: str) -> list[str]:
    # Up to two characters that are no phrase read one by one: what pypinyin does, without its segmentation.
    if len(name) <= 2 and name not in PHRASES_DICT:
        return [_character_reading(character) for character in name]
    return lazy_pinyin(name)


@cache
def _character_reading(character: str) -> str:
    return lazy_pinyin(character)[0]


@cache
def _all_syllables() -> frozenset[str]:
    readings = {reading for entry in PINYIN_DICT.values() for reading in entry.split(",")}
    return frozenset(s for s in (to_normal(r, v_to_u=False) for r in readings) if re.search("[aeiouv]", s))


@cache
def _all_beginnings() -> frozenset[str]:
    return frozenset(s[:length] for s in _all_syllables() for length in range(1, len(s) + 1))


def _split_syllables(letters: str, *, unfinished: bool) -> list[str]:
    """Every way to write `letters` as syllables, the fewest first; `unfinished` lets the last be a beginning of one."""
    if letters.isdigit():
        return [letters]
    ends: list[list[str]] = [[""]] + [[] for _ in letters]
    for end in range(1, len(letters) + 1):
        last = unfinished and end == len(letters)
        for start in range(max(0, end - 6), end):
            syllable = letters[start:end]
            if syllable in (_all_beginnings() if last else _all_syllables()):
                ends[end] += [f"{before} {syllable}".strip() for before in ends[start]]
        ends[end] = sorted(ends[end], key=lambda split: split.count(" "))[:_MOST_SPLITS]
    return ends[len(letters)]
