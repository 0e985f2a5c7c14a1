"""Synthetic persons' attributes: names of the region and generation, ID numbers, phones. Nobody real.

Names are drawn from surnames and characters frequent in western Guangdong; any match with a living person is chance.
"""

from __future__ import annotations

import numpy as np

from huiyang.identifiers import ID_CHECK_CHARACTERS, ID_WEIGHTS, complete_uscc
from migration.sample.columns import Column, join, number, pick

MALE, FEMALE = 1, 2

#: Surname and weight per mille in the region; general knowledge, not a statistic.
SURNAMES: dict[str, int] = {
    "陈": 175, "林": 82, "黄": 78, "李": 74, "吴": 62, "梁": 48, "杨": 34, "王": 30, "郑": 28, "张": 27, "周": 22,
    "谢": 20, "许": 20, "何": 19, "符": 18, "庞": 18, "钟": 17, "蔡": 16, "罗": 16, "邓": 15, "苏": 14, "冯": 13,
    "刘": 13, "莫": 12, "揭": 4, "全": 8, "劳": 6, "麦": 7, "戴": 6, "郭": 8, "潘": 7, "卜": 3, "韩": 6, "唐": 7,
    "宋": 6, "叶": 6, "龙": 6, "曾": 6, "洪": 5, "柯": 6, "邱": 5, "詹": 4, "游": 3, "骆": 4, "欧": 4, "朱": 5,
    "方": 4, "容": 3, "邹": 3, "江": 4, "温": 3, "凌": 3, "易": 3, "尤": 2, "薛": 2, "程": 2, "彭": 3, "廖": 5,
    "文": 4, "赖": 3, "金": 2, "关": 3, "伍": 3, "孔": 2, "司徒": 1, "欧阳": 2, "沙": 1, "招": 1, "窦": 1,
}  # fmt: skip

#: Characters of given names: (first, second) by sex and generation (born before 1950, after).
_GIVEN = {
    (MALE, 0): (
        "妃日康亚德国土观水华福乃那振树兆炳永文志兴其光世荣宗景廷维龙",
        "生养福寿德兴荣光才华胜保清南昌贵仁义钦盛轩裕芳球富有祥英明武",
    ),
    (MALE, 1): (
        "建国志康伟文华日观振土永明小卫少春海景学家俊锦亚汉培立广炳妃",
        "军强明华生伟文平辉雄斌林忠国光新东权球清荣富才兴胜锋成杰武良",
    ),
    (FEMALE, 0): (
        "秀玉凤桂少妃月瑞惠兰淑美亚金英梅琼珍翠爱雪赛丽康日妙润肖连",
        "英兰珍芳莲娣妹琼梅清娟凤连娇容贞养葵香珠云金群芬仙花爱婵喜兴",
    ),
    (FEMALE, 1): (
        "丽秀小玉少美春海爱惠雪华凤燕妃国建彩翠桂康月艳晓妙亚红志兰金",
        "芳英梅珍娟兰琼红华清霞连娣燕莲云玲群芬容凤花平春妹香萍丽仙珠",
    ),
}

#: Taken for one another when typed.
LOOK_ALIKES = {
    "陈": "阵", "黄": "王", "凤": "风", "兰": "蓝", "英": "瑛", "华": "桦", "珍": "真", "福": "富", "明": "名",
    "芳": "方", "玉": "王", "娣": "弟", "莲": "连", "琼": "穷", "清": "青", "梅": "媚", "生": "升", "日": "曰",
    "土": "士", "志": "智", "国": "囯", "建": "健", "妃": "飞", "秀": "绣", "文": "闻", "康": "庚", "容": "蓉",
    "丽": "莉", "伟": "玮", "辉": "晖", "亚": "娅", "水": "冰", "永": "泳", "振": "震", "荣": "容", "才": "材",
    "德": "得", "观": "官", "燕": "艳", "云": "芸",
}  # fmt: skip

#: Prefixes that, as far as known, no public mobile network uses.
_MOBILE_PREFIXES = np.array([154, 160, 161, 163, 164, 168, 169])

#: Division prefix of ID numbers by county: elders of 吴川, 廉江 and 雷州 mostly hold those of abolished counties.
_ID_PREFIXES: dict[str, dict[int, float]] = {
    "440802": {440802: 8, 440803: 1, 440821: 0.5, 440824: 0.5},
    "440803": {440803: 8, 440802: 1, 440824: 0.7, 440822: 0.3},
    "440804": {440804: 8, 440811: 1, 440821: 1},
    "440811": {440811: 9, 440803: 1},
    "440823": {440823: 10},
    "440825": {440825: 10},
    "440881": {440822: 8.5, 440881: 1.5},
    "440882": {440824: 8.5, 440882: 1.5},
    "440883": {440821: 8.5, 440883: 1.5},
}
_PREFIXES_FROM_ELSEWHERE = np.array([440923, 440902, 440106, 460027, 450921, 440982, 512921, 432524, 440721, 452501])
_SHARE_FROM_ELSEWHERE = 0.04


def surnames() -> tuple[list[str], np.ndarray]:
    """The surnames and their probabilities."""
    weights = np.array(list(SURNAMES.values()), dtype=float)
    return list(SURNAMES), weights / weights.sum()


def given_names(sex: np.ndarray, birth: np.ndarray, random: np.random.Generator) -> tuple[Column, Column]:
    """The one or two characters of each given name; the first is often empty for the younger (单名)."""
    count = len(sex)
    generation = (np.asarray(birth, dtype="datetime64[Y]").astype(int) + 1970 >= 1950).astype(int)
    groups = [(MALE, 0), (MALE, 1), (FEMALE, 0), (FEMALE, 1)]
    group = (sex == FEMALE) * 2 + generation
    columns = []
    for place in (0, 1):
        lists = [_GIVEN[g][place] for g in groups]
        starts = np.cumsum([0, *(len(characters) for characters in lists)])[:-1]
        lengths = np.array([len(characters) for characters in lists])
        # Popular characters come first in each list: a square root of the uniform's complement favours them.
        position = (random.random(count) ** 1.4 * lengths[group]).astype(int)
        columns.append((starts[group] + position, "".join(lists)))
    single = random.random(count) < np.where(generation == 1, 0.12, 0.05)
    first_index = np.where(single, len(columns[0][1]), columns[0][0])
    return pick([*columns[0][1], ""], first_index), pick(list(columns[1][1]), columns[1][0])


def id_prefixes(county: np.ndarray, county_codes: list[str], random: np.random.Generator) -> np.ndarray:
    """The first six digits of ID numbers of people who live in the counties (positions in `county_codes`)."""
    result = np.zeros(len(county), dtype=np.int64)
    for position, code in enumerate(county_codes):
        rows = np.flatnonzero(county == position)
        prefixes = _ID_PREFIXES[code[:6]]
        weights = np.array(list(prefixes.values()))
        result[rows] = random.choice(np.array(list(prefixes)), len(rows), p=weights / weights.sum())
    away = np.flatnonzero(random.random(len(county)) < _SHARE_FROM_ELSEWHERE)
    result[away] = random.choice(_PREFIXES_FROM_ELSEWHERE, len(away))
    return result


def id_numbers(prefix: np.ndarray, birth: np.ndarray, sex: np.ndarray) -> np.ndarray:
    """The first 17 digits of an ID number as one integer each; no two alike for the persons given.

    Raises:
        ValueError: more than 500 persons of one sex were born on one day under one prefix.
    """
    days = np.asarray(birth, dtype="datetime64[D]")
    year = days.astype("datetime64[Y]").astype(int) + 1970
    month = days.astype("datetime64[M]").astype(int) % 12 + 1
    day = (days - days.astype("datetime64[M]")).astype(int) + 1
    stem = prefix * 10**8 + year * 10**4 + month * 100 + day
    group = stem * 2 + (sex == MALE)
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    rank_sorted = np.arange(len(group)) - np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = rank_sorted
    if len(rank) and rank.max() >= 500:
        raise ValueError("more births a day than an ID number's serial can tell apart")
    # A stride prime to 500 spreads the serials without two meeting.
    serial = (rank * 137 + stem % 499) % 500
    return stem * 1000 + serial * 2 + (sex == MALE)


def id_check_positions(bodies: np.ndarray) -> np.ndarray:
    """Where in `ID_CHECK_CHARACTERS` the check character of each 17-digit body stands."""
    total = np.zeros(len(bodies), dtype=np.int64)
    rest = bodies.copy()
    for weight in reversed(ID_WEIGHTS):
        rest, digit = np.divmod(rest, 10)
        total += digit * weight
    return total % 11


def id_texts(bodies: np.ndarray) -> Column:
    """Full ID numbers of 17-digit bodies."""
    return join(number(bodies), pick(list(ID_CHECK_CHARACTERS), id_check_positions(bodies)))


def mobiles(count: int, random: np.random.Generator) -> np.ndarray:
    """Mobile numbers as integers, of prefixes that are (as far as known) not assigned."""
    return random.choice(_MOBILE_PREFIXES, count) * 10**8 + random.integers(0, 10**8, count)


def landlines(count: int, random: np.random.Generator) -> Column:
    """Numbers of Zhanjiang's area code; chance decides whether one exists."""
    return join("0759-", number(random.integers(2_000_000, 3_999_999, count)))


def credit_codes(count: int, registrars: np.ndarray, random: np.random.Generator) -> list[str]:
    """Unified social credit codes with right check characters.

    Args:
        registrars: the first two characters of each: 52 social organisation, 12 public body, 91 company.
    """
    bodies = [
        f"{registrar}4408{division:02d}{'MA' if registrar[0] == '9' else 'MJ'}{serial:07d}"
        for registrar, division, serial in zip(
            registrars.tolist(),
            random.choice(np.array([0, 2, 3, 4, 11, 23, 25, 81, 82, 83]), count).tolist(),
            random.choice(10**7, count, replace=False).tolist(),
            strict=True,
        )
    ]
    return [complete_uscc(body) for body in bodies]


def whole_names(count: int, sex: np.ndarray, birth: np.ndarray, random: np.random.Generator) -> Column:
    """Full names of persons who need no household."""
    names, weights = surnames()
    first, second = given_names(sex, birth, random)
    return join(pick(names, random.choice(len(names), count, p=weights)), first, second)
