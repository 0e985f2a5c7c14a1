"""Transforms: what the old platform's text means."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.divisions import division_tree
from huiyang.geodesy import distance_metres, wgs84_to_gcj02
from migration import transforms as t


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def rows(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask).tolist()


class TestText:
    def test_trims_folds_and_drops_placeholders(self):
        outcome = t.text(texts("  张 三 ", "ＡＢＣ１２", "无", "-", "不详", "", None, "a\u200bb", "两\t行"))
        assert outcome.columns[0].to_pylist() == ["张 三", "ABC12", None, None, None, None, None, "a b", "两 行"]

    def test_chinese_punctuation_stays(self):
        assert t.text(texts("一号（东）；二号，三")).columns[0].to_pylist() == ["一号(东);二号,三"]

    @given(st.text(alphabet="湛江市赤坎区寸金街道人民大道号陈李黄吴梁桂莲", min_size=2, max_size=20))
    def test_gbk_read_as_latin_1_is_read_again(self, original: str):
        outcome = t.text(texts(original.encode("gb18030").decode("latin-1"), original))
        assert outcome.columns[0].to_pylist() == [original, original]
        assert rows(outcome.warnings["garbled_text_repaired"]) == [0]

    @pytest.mark.parametrize("value", ["Café Müller", "naïve", "120 m²", "±0.5 °C"])
    def test_latin_text_is_no_mangled_chinese(self, value: str):
        assert t.repair_encoding(value) is None

    def test_lost_bytes_are_an_error(self):
        outcome = t.text(texts("陈\ufffd\ufffd", "锟斤拷锟斤拷", "陈家"))
        assert outcome.columns[0].to_pylist() == [None, None, "陈家"]
        assert rows(outcome.errors["garbled_text"]) == [0, 1]

    def test_too_long_is_cut_with_a_remark(self):
        outcome = t.text(texts("一二三四五", "一二"), longest=3)
        assert outcome.columns[0].to_pylist() == ["一二三", "一二"]
        assert rows(outcome.warnings["text_cut"]) == [0]


class TestCodes:
    def test_codes_beside_words_and_typing(self):
        outcome = t.codes(texts("1", " １", "男", "X", "", None, "无"), table={"1": "male", "男": "male", "无": "none"})
        assert outcome.columns[0].to_pylist() == ["male", "male", "male", None, None, None, "none"]
        assert rows(outcome.errors["unknown_code"]) == [3]

    def test_highest_of_several(self):
        outcome = t.highest(texts("9,2", "3", "", None, "5，1"), order=["1", "2", "3", "5", "9"])
        assert outcome.columns[0].to_pylist() == ["2", "3", None, None, "1"]

    def test_boolean(self):
        outcome = t.boolean(texts("Y", "否", "1", "√", "也许", "", None, "无"))
        assert outcome.columns[0].to_pylist() == [True, False, True, True, None, None, None, False]
        assert rows(outcome.errors["unknown_code"]) == [4]

    def test_words_of_several_codes(self):
        outcome = t.code_words(texts("1,2", "2", "7", ""), table={"1": "甲", "2": "乙"})
        assert outcome.columns[0].to_pylist() == ["甲、乙", "乙", None, None]
        assert rows(outcome.errors["unknown_code"]) == [2]

    def test_lists_keep_their_places(self):
        outcome = t.split(texts("01,02,03", "2015,,2019年", ",,", None))
        assert outcome.columns[0].to_pylist() == [["01", "02", "03"], ["2015", None, "2019年"], None, None]


class TestJoining:
    def test_rows_without_anything_stay_rows(self):
        """pyarrow 26 drops such rows with null_handling="skip"."""
        outcome = t.concat(texts("a", None, "b"), texts(None, None, "c"), separator="；")
        assert outcome.columns[0].to_pylist() == ["a", None, "b；c"]

    def test_labels(self):
        outcome = t.labelled(texts("高血压", None), texts("服药", None), labels=["", "详情："], separator="；")
        assert outcome.columns[0].to_pylist() == ["高血压；详情：服药", None]


NUMBERS = {
    "1089": "1089.00",
    "691元": "691.00",
    "1,200.00": "1200.00",
    "￥３５": "35.00",
    "2.5万": "25000.00",
    "500元/月": "500.00",
    "3510平方米": "3510.00",
    "2200㎡": "2200.00",
    "1.005": "1.01",
    "-3": "-3.00",
    "1亩": "666.67",
    "12e2": "1200.00",
}


class TestNumbers:
    @pytest.mark.parametrize(("written", "value"), NUMBERS.items())
    def test_decimal(self, written: str, value: str):
        assert t.decimal(texts(written)).columns[0].to_pylist() == [Decimal(value)]

    def test_what_is_no_number_or_out_of_range(self):
        outcome = t.decimal(texts("约三百", "12斤", "-1", "5000", "3000", None), minimum=0, maximum=4000)
        assert outcome.columns[0].to_pylist() == [None, None, None, None, Decimal("3000.00"), None]
        assert rows(outcome.errors["bad_number"]) == [0, 1]
        assert rows(outcome.errors["out_of_range"]) == [2, 3]

    @given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1))
    def test_fast_and_slow_path_agree(self, values: list[Decimal]):
        plain = t.decimal(texts(*map(str, values))).columns[0].to_pylist()
        slow = t.decimal(texts(*map(str, values), "1,0")).columns[0].to_pylist()[:-1]
        assert plain == slow == [value.quantize(Decimal("0.01")) for value in values]

    def test_minutes(self):
        outcome = t.integer(texts("65", "65分钟", "1小时5分", "2小时", "12.5", "三刻"), minimum=0)
        assert outcome.columns[0].to_pylist() == [65, 65, 65, 120, None, None]
        assert rows(outcome.errors["bad_number"]) == [4, 5]

    def test_ranges(self):
        outcome = t.number_range(texts("800", "800-1500", "300～500元", "1500-800", "面议", None))
        low, high = (column.to_pylist() for column in outcome.columns)
        assert low == [800, 800, 300, None, None, None]
        assert high == [800, 1500, 500, None, None, None]
        assert rows(outcome.errors["bad_number"]) == [3, 4]

    def test_integer_list(self):
        outcome = t.integer_list(texts("4,3,1", "4,3", "4,3,2", "4,x,1"), length=3, maxima=[4, 4, 1])
        assert outcome.columns[0].to_pylist() == [[4, 3, 1], None, None, None]
        assert rows(outcome.errors["bad_number"]) == [1, 2, 3]


class TestDates:
    @given(st.dates(date(1890, 1, 1), date(2035, 12, 31)))
    def test_every_form_of_a_day(self, day: date):
        forms = [
            day.isoformat(),
            day.strftime("%Y%m%d"),
            f"{day.year}/{day.month}/{day.day}",
            f"{day.year}年{day.month}月{day.day}日",
            f"{day.year}.{day.month:02d}.{day.day:02d}",
            f"{day.isoformat()} 08:30:00",
        ]
        assert t.calendar_date(texts(*forms)).columns[0].to_pylist() == [day] * len(forms)

    @pytest.mark.parametrize(
        "value", ["1951-02-30", "1951-13-05", "19510000", "1951/4/31", "明天", "51-2-3", "1951-02"]
    )
    def test_what_is_no_day(self, value: str):
        outcome = t.calendar_date(texts(value))
        assert outcome.columns[0].to_pylist() == [None]
        assert rows(outcome.errors["bad_date"]) == [0]

    def test_missing_is_no_error(self):
        outcome = t.calendar_date(texts("", None, "0000-00-00", "无"))
        assert outcome.columns[0].null_count == 4
        assert not outcome.errors["bad_date"].any()

    def test_excel_numbers(self):
        assert t.calendar_date(texts("45292", "45292.0")).columns[0].to_pylist() == [date(2024, 1, 1)] * 2

    def test_bounds(self):
        outcome = t.calendar_date(
            texts("1800-01-01", "2026-11-02", "2026-11-01"), earliest=date(1880, 1, 1), latest=date(2026, 11, 1)
        )
        assert outcome.columns[0].to_pylist() == [None, None, date(2026, 11, 1)]
        assert rows(outcome.errors["date_out_of_range"]) == [0, 1]

    def test_partial(self):
        outcome = t.partial_date(texts("2015", "2015年", "2015-03", "2015年3月", "2015-03-09", "2015-13", None))
        assert outcome.columns[0].to_pylist() == [
            date(2015, 1, 1), date(2015, 1, 1), date(2015, 3, 1), date(2015, 3, 1), date(2015, 3, 9), None, None,
        ]  # fmt: skip
        assert rows(outcome.errors["bad_date"]) == [5]

    def test_open_end(self):
        outcome = t.open_ended_date(texts("长期", "2030-01-31", "随时"))
        assert outcome.columns[0].to_pylist() == [None, date(2030, 1, 31), None]
        assert rows(outcome.errors["bad_date"]) == [2]

    @pytest.mark.parametrize(
        ("written", "month"),
        [
            ("202605", "2026-05"),
            ("2026年5月", "2026-05"),
            ("2026/05", "2026-05"),
            ("2026-5-31", "2026-05"),
            ("202613", None),
        ],
    )
    def test_months(self, written: str, month: str | None):
        assert t.month_text(texts(written)).columns[0].to_pylist() == [month]


def test_an_exclusive_end_becomes_the_last_day_that_holds():
    ends = pa.array([date(2024, 3, 1), None], pa.date32())
    assert t.day_before(ends).columns[0].to_pylist() == [date(2024, 2, 29), None]


class TestTimestamps:
    @given(st.datetimes(datetime(2002, 1, 1), datetime(2035, 1, 1)).map(lambda value: value.replace(microsecond=0)))  # noqa: DTZ001
    def test_every_form_of_an_instant(self, local: datetime):
        instant = local.replace(tzinfo=UTC) - timedelta(hours=8)
        forms = [
            local.isoformat(sep=" "),
            f"{local.year}/{local.month}/{local.day} {local.hour}:{local.minute:02d}:{local.second:02d}",
            local.strftime("%Y%m%d%H%M%S"),
            str(int(instant.timestamp() * 1000)),
            str(int(instant.timestamp())),
            instant.isoformat(sep=" "),
            f"{local.year}年{local.month}月{local.day}日 {local.hour}时{local.minute}分{local.second}秒",
        ]
        assert t.timestamp(texts(*forms)).columns[0].to_pylist() == [instant] * len(forms)

    def test_an_impossible_day_among_plain_ones(self):
        outcome = t.timestamp(texts("2026-02-28 10:00:00", "2026-02-30 10:00:00", None, "", "2026/2/28 9:05"))
        assert outcome.columns[0].to_pylist() == [
            datetime(2026, 2, 28, 2, tzinfo=UTC), None, None, None, datetime(2026, 2, 28, 1, 5, tzinfo=UTC),
        ]  # fmt: skip
        assert rows(outcome.errors["bad_date"]) == [1]

    def test_day_and_instant(self):
        instant = t.to_instant(pa.array([date(2026, 3, 5), None])).columns[0]
        assert instant.to_pylist() == [datetime(2026, 3, 4, 16, tzinfo=UTC), None]
        assert t.to_date(instant).columns[0].to_pylist() == [date(2026, 3, 5), None]


class TestIdentifiers:
    def test_id_numbers(self):
        outcome = t.id_number(texts("11010519491231002x", "110105491231002", "110105194912310021", "-", None, "1101"))
        number, status, sex, birth = (column.to_pylist() for column in outcome.columns)
        assert number == ["11010519491231002X", "11010519491231002X", "110105194912310021", None, None, "1101"]
        assert status == ["valid", "valid", "bad_checksum", "missing", "missing", "bad_length"]
        assert sex == ["female", "female", None, None, None, None]
        assert birth == [date(1949, 12, 31)] * 2 + [None] * 4
        assert rows(outcome.warnings["id_short_form"]) == [1]
        assert rows(outcome.warnings["id_invalid"]) == [2, 5]

    def test_contradictions(self):
        outcome = t.id_number(
            texts("11010519491231002X", "11010519491231002X"),
            texts("male", "female"),
            pa.array([date(1949, 12, 31), date(1950, 1, 30)]),
        )
        assert rows(outcome.warnings["id_sex_mismatch"]) == [0]
        assert rows(outcome.warnings["id_birth_date_mismatch"]) == [1]

    def test_phones(self):
        outcome = t.phone(
            texts("13800138000", "+86 138-0013-8000", "0759-2345678", "1380013800", "138001,13800138000", "无")
        )
        number, status = (column.to_pylist() for column in outcome.columns)
        assert number == ["13800138000", "13800138000", "07592345678", "1380013800", "13800138000", None]
        assert status == ["valid", "valid", "valid", "invalid", "valid", "missing"]

    def test_credit_codes(self):
        outcome = t.credit_code(texts("53640000MJX173680A", "53640000mjx173672f", "53640000MJX173680B", ""))
        assert outcome.columns[0].to_pylist() == ["53640000MJX173680A", "53640000MJX173672F", None, None]
        assert outcome.columns[1].to_pylist() == ["valid", "valid", "bad_checksum", "missing"]


ZHANJIANG = (110.4, 21.2)


class TestPositions:
    def written(self, longitude: float, latitude: float) -> tuple[pa.Array, pa.Array]:
        return texts(f"{longitude:.6f}"), texts(f"{latitude:.6f}")

    @given(st.floats(109.7, 110.9), st.floats(20.2, 21.9))
    def test_gcj02_is_undone_to_a_decimetre(self, longitude: float, latitude: float):
        shifted = wgs84_to_gcj02(longitude, latitude)
        x, y = t.position(*self.written(float(shifted[0]), float(shifted[1]))).columns
        assert float(distance_metres(x[0].as_py(), y[0].as_py(), longitude, latitude)) < 0.3

    def test_bd09_and_wgs84(self):
        from migration.sample.places import gcj02_to_bd09

        shifted = gcj02_to_bd09(*wgs84_to_gcj02(*ZHANJIANG))
        x, y = t.position(*self.written(float(shifted[0]), float(shifted[1])), texts("bd09")).columns
        assert float(distance_metres(x[0].as_py(), y[0].as_py(), *ZHANJIANG)) < 2
        x, y = t.position(*self.written(*ZHANJIANG), texts("wgs84")).columns
        assert (x[0].as_py(), y[0].as_py()) == ZHANJIANG

    def test_swapped_zero_outside_missing(self):
        outcome = t.position(
            texts("21.2", "0", "116.4", "", None, "110.4", "x"), texts("110.4", "0.0", "39.9", "", None, None, "21"),
            texts(*["wgs84"] * 7),
        )  # fmt: skip
        assert outcome.columns[0].to_pylist() == [110.4, None, None, None, None, None, None]
        assert outcome.columns[1].to_pylist() == [21.2, None, None, None, None, None, None]
        assert rows(outcome.warnings["position_swapped"]) == [0]
        assert rows(outcome.warnings["position_zero"]) == [1]
        assert rows(outcome.errors["position_outside"]) == [2, 5, 6]


@pytest.fixture(scope="module")
def resolver() -> t.DivisionResolver:
    return t.DivisionResolver(division_tree(), {"440890071001": "440803071001"})


class TestDivisions:
    def test_every_division_is_found_by_code_and_by_path(self, resolver: t.DivisionResolver):
        for division in division_tree():
            assert resolver.resolve(division.code, None) == (division.code, None)
            assert resolver.resolve(None, division.full_name) == (division.code, None)

    def test_a_bare_name_finds_nothing(self, resolver: t.DivisionResolver):
        assert len(division_tree().find("海滨街道")) == 2
        assert resolver.resolve(None, "海滨街道") == (None, None)

    def test_separators_short_codes_and_province(self, resolver: t.DivisionResolver):
        town = division_tree().find("寸金街道")[0]
        for path in (
            "湛江市/赤坎区/寸金街道",
            "湛江市-赤坎区-寸金街道",
            "广东省湛江市赤坎区寸金街道",
            "赤坎区寸金街道",
        ):
            assert resolver.resolve(None, path)[0] == town.code
        assert resolver.resolve(town.code[:9], None) == (town.code, None)

    def test_stale_code_by_path_by_table_and_by_parent(self, resolver: t.DivisionResolver):
        village = next(d for d in division_tree() if d.code.startswith("440803071") and d.level == "village")
        assert resolver.resolve("440890071001", village.full_name) == (village.code, "division_by_name")
        assert resolver.resolve("440890071001", None) == ("440803071001", "division_stale")
        assert resolver.resolve("440803071799", "不知何处") == ("440803071000", "division_parent")
        assert resolver.resolve("990000000000", None) == (None, None)

    def test_column(self, resolver: t.DivisionResolver):
        outcome = t.division(texts("440802000000", "", "990000000000"), texts("", "赤坎区", ""), resolver=resolver)
        assert outcome.columns[0].to_pylist() == ["440802000000", "440802000000", None]
        assert rows(outcome.errors["division_unknown"]) == [2]


VITALS = [
    ("heart_rate", "76", "次/分", 76, None, None),
    ("blood_pressure", "138/86", "mmHg", 138, 86, None),
    ("blood_pressure", "16.0/10.0", "kPa", 120, 75, None),
    ("blood_pressure", "16.0/10.0", "mmHg", 120, 75, "unit_converted"),
    ("blood_pressure", "120/75", "kPa", 120, 75, "unit_converted"),
    ("glucose", "5.6", "mmol/L", Decimal("5.6"), None, None),
    ("glucose", "101", "mg/dL", Decimal("5.6"), None, None),
    ("glucose", "101", "mmol/L", Decimal("5.6"), None, "unit_converted"),
    ("oxygen", "97", "%", 97, None, None),
    ("oxygen", "0.97", "%", 97, None, "unit_converted"),
    ("temperature", "36.5", "℃", Decimal("36.5"), None, None),
    ("temperature", "97.7", "℉", Decimal("36.5"), None, None),
    ("temperature", "97.7", "℃", Decimal("36.5"), None, "unit_converted"),
    ("heart_rate", "999", "次/分", None, None, "out_of_range"),
    ("heart_rate", "-1", "次/分", None, None, "out_of_range"),
    ("blood_pressure", "35/182", "mmHg", None, None, "out_of_range"),
    ("blood_pressure", "120", "mmHg", None, None, "out_of_range"),
    ("temperature", "3.65", "℃", None, None, "out_of_range"),
    ("heart_rate", "正常", "次/分", None, None, "bad_number"),
]


@pytest.mark.parametrize(("kind", "value", "unit", "first", "second", "code"), VITALS)
def test_vital_signs(kind: str, value: str, unit: str, first: object, second: object, code: str | None):
    outcome = t.vital_sign(texts(kind), texts(value), texts(unit))
    assert [column[0].as_py() for column in outcome.columns] == [first, second]
    marked = [name for name, mask in {**outcome.errors, **outcome.warnings}.items() if mask[0]]
    assert marked == ([code] if code else [])


def test_every_transform_returns_as_many_rows_and_knows_missing():
    """Whatever a transform does: rows stay rows, and a missing input is never an error."""
    options = {
        "codes": {"table": {}},
        "code_words": {"table": {}},
        "highest": {"order": []},
        "contains": {"word": "x"},
        "extract": {"pattern": "(x)"},
        "integer_list": {"length": 1, "maxima": [1]},
        "labelled": {"labels": ["a"], "separator": ""},
        "only_where": {"value": "x"},
        "division": {"resolver": t.DivisionResolver(division_tree(), {})},
    }
    arguments = {"position": 2, "vital_sign": 3, "only_where": 2}
    typed = {"day_before", "to_date", "to_instant", "month_start", "grid_cell", "else_export_time", "photo_file"}
    checked = 0
    for name, transform in t.TRANSFORMS.items():
        if name in typed:
            continue
        outcome = transform(*[pa.nulls(3, pa.string())] * arguments.get(name, 1), **options.get(name, {}))
        assert all(len(column) == 3 for column in outcome.columns), name
        assert not any(mask.any() for mask in outcome.errors.values()), name
        checked += 1
    assert checked > 20
