"""Mappings, duplicate elders, repeated keys, reasons: the migration's rules without a database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from huiyang.errors import HuiyangError
from migration.duplicates import CERTAIN_SCORE, Evidence, Record, is_typo, judge, survivor_first
from migration.evaluation import Surroundings, evaluate
from migration.ledger import SeenKeys
from migration.mapping import DataClass, Mapping, read_mapping, read_mappings
from migration.photos import perceptual_hash
from migration.reasons import REASON_TEXTS, reason_text

FIRST = {"from": "A", "to": "institution_id"}


@pytest.fixture(scope="module")
def mappings() -> dict[str, Mapping]:
    return {mapping.name: mapping for mapping in read_mappings()}


DEEP_TEXT = {"text": {"depth": 1}}
A_FIELD = {"from": "A", "to": "institution_id"}


class TestMappings:
    def test_all_classes_are_there(self, mappings: dict[str, Mapping]):
        assert {mapping.data_class for mapping in mappings.values()} == set(DataClass)

    def test_every_column_has_a_title_of_its_own_language(self, mappings: dict[str, Mapping]):
        for mapping in mappings.values():
            pinyin = {name for name in (*mapping.source_columns,) if name.isascii()}
            known = set(mapping.titles) | set(mapping.reject) | set(mapping.unused_columns) | {"ID", "WD", "QDWD"}
            assert pinyin <= known, f"{mapping.name}: {pinyin - known}"

    GOOD: ClassVar[dict[str, Any]] = {
        "name": "x",
        "title": "甲",
        "data_class": "服务机构",
        "order": 1,
        "reader": "gb18030_csv",
        "file": "x.csv",
        "key": "K",
        "targets": [
            {
                "table": "institutions.building",
                "fields": [{"from": "A", "to": "institution_id"}, {"from": "B", "to": "name", "use": "text"}],
            }
        ],
    }

    def broken(
        self, tmp_path: Path, change: dict[str, object] | None = None, target: dict[str, object] | None = None
    ) -> None:
        content = self.GOOD | (change or {})
        if target:
            content = content | {"targets": [self.GOOD["targets"][0] | target]}  # type: ignore[index]
        path = tmp_path / "x.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True))
        read_mapping(path)

    def test_good(self, tmp_path: Path):
        self.broken(tmp_path)

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ({"table": "institutions.nowhere"}, "there is no table"),
            ({"fields": [A_FIELD]}, "institutions.building.name is required"),
            ({"fields": [A_FIELD, {"from": "B", "to": "name", "use": "magic"}]}, "no transform is called magic"),
            ({"fields": [A_FIELD, {"from": "B", "to": "name", "use": DEEP_TEXT}]}, "text has no option depth"),
            ({"fields": [A_FIELD, {"from": "B", "to": ["name", "colour"]}]}, "has no column colour"),
            ({"fields": [A_FIELD, {"from": "_b", "to": "name"}]}, "_b is used before it is made"),
            ({"fields": [A_FIELD, {"to": "name"}]}, "exactly one of from, of, value"),
            ({"fields": [A_FIELD, {"from": "B", "to": "name", "codes": "nope"}]}, "no code list nope"),
            ({"unique": "floor"}, "floor is no column of this mapping"),
            ({"colour": "red"}, "Extra inputs are not permitted"),
        ],
    )  # fmt: skip
    def test_mistakes_are_named(self, tmp_path: Path, target: dict[str, object], message: str):
        with pytest.raises(HuiyangError, match=message) as error:
            self.broken(tmp_path, target=target)
        assert "x.yaml" in error.value.problem

    def test_reference_to_a_later_source(self, tmp_path: Path):
        fields = [{"from": "A", "to": "institution_id", "ref": {"source": "y"}}, {"from": "B", "to": "name"}]
        with pytest.raises(HuiyangError, match="refers to y, which is not loaded before it"):
            self.broken(tmp_path, target={"fields": fields})
            read_mappings(tmp_path)

    def test_broken_yaml(self, tmp_path: Path):
        (tmp_path / "x.yaml").write_text("name: [")
        with pytest.raises(HuiyangError, match="not valid YAML"):
            read_mapping(tmp_path / "x.yaml")


class TestEvaluation:
    def evaluate(self, mapping: dict[str, object], **columns: list[str | None]):
        source = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        surroundings = Surroundings(lambda _: pytest.fail("no reference expected"), {}, date(2026, 11, 1))
        count = len(next(iter(columns.values())))
        return evaluate(Mapping.model_validate(TestMappings.GOOD | mapping), source, count, surroundings)

    def test_null_and_quarantine(self):
        fields = [
            {"from": "A", "to": "institution_id", "use": "integer", "on_error": "quarantine"},
            {"from": "B", "to": "name", "use": "text"},
            {"from": "C", "to": "effective_at", "use": "timestamp"},
        ]
        mapping = {"targets": [{"table": "institutions.building", "fields": fields}]}
        found = self.evaluate(
            mapping,
            A=["1", "x", "3", None],
            B=["甲", "乙", None, "丁"],
            C=["2026-01-02", "?", "2026-13-01", "2026-01-02"],
        )
        assert found.quarantined.tolist() == [False, True, True, True]
        reasons = {reason: np.flatnonzero(rows).tolist() for reason, rows in found.reasons}
        assert reasons["bad_number:A"] == [1]
        assert reasons["missing:B"] == [2]
        assert reasons["missing:A"] == [3]

    def test_a_list_becomes_rows(self):
        mapping = {
            "shared": [{"from": "A", "to": "_ids", "use": "split"}, {"from": "B", "to": "_names", "use": "split"}],
            "targets": [
                {
                    "table": "institutions.building",
                    "each": ["_ids", "_names"],
                    "fields": [
                        {"from": "_ids", "to": "institution_id", "use": "integer"},
                        {"from": "_names", "to": "name", "default": "-"},
                    ],
                }
            ],
        }
        found = self.evaluate(mapping, A=["1,2,3", "4", None], B=["a,b", "d", "x"])
        assert list(found.slots) == [0, 100, 200]
        assert found.present[0].tolist() == [True, True, True]
        assert found.present[200].tolist() == [True, False, False]
        assert found.values[200]["name"].to_pylist()[0] == "-"
        assert found.quarantined.tolist() == [False, False, True]


class TestSeenKeys:
    @given(st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=12), max_size=12))
    def test_counts_like_a_dictionary(self, chunks: list[list[tuple[int, int]]]):
        seen, count, first = SeenKeys(), {}, {}
        for chunk in chunks:
            keys = np.array([key for key, _ in chunk], dtype=np.int64)
            values = np.array([value for _, value in chunk], dtype=np.int64)
            occurrence, first_hash = seen.add(keys, values)
            for position, (key, value) in enumerate(chunk):
                count[key] = count.get(key, 0) + 1
                first.setdefault(key, value)
                assert occurrence[position] == count[key]
                assert first_hash[position] == first[key]


ID = "440802194501011236"
ONE = Record(
    elder_id=1, name="陈桂莲", name_pinyin="chen gui lian", sex="female", birth_date=date(1945, 1, 1),
    id_number_status="valid", id_number=ID, id_number_index="aa", phone_index="p", division_code="440802001001",
    address="湛江市赤坎区中华街道人民大道12号3栋402房", registered_on=date(2020, 1, 1),
    effective_at=datetime(2020, 1, 1, tzinfo=UTC), filled=9,
)  # fmt: skip
NO_ID = {"id_number": None, "id_number_index": None, "id_number_status": "missing"}
OTHER_HOME = {"phone_index": "q", "address": "湛江市赤坎区中华街道解放路7号1栋101房"}


class TestDuplicates:
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"name": "陈桂连", "phone_index": "q"},  # a homophone
            {"name": "陈贵莲", "name_pinyin": "chen gui lian"},
            NO_ID,
            NO_ID | {"phone_index": "q"},  # the address remains
            NO_ID | {"address": None},  # the phone remains
            NO_ID | {"phone_index": None, "address": "湛江市赤坎区中华街道人民大道1"},  # cut off
            {"id_number": "440802194501011256", "id_number_index": "bb", "id_number_status": "bad_checksum"}
            | OTHER_HOME,
        ],
    )
    def test_one_person(self, change: dict[str, object]):
        assert judge(ONE, replace(ONE, elder_id=2, **change)).score >= CERTAIN_SCORE  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "李国强", "name_pinyin": "li guo qiang"},  # an ID typed into another's record
            NO_ID | OTHER_HOME,  # namesakes born on one day in one village exist
            NO_ID | {"name": "陈桂英", "name_pinyin": "chen gui ying"},  # a twin at home
            NO_ID | {"sex": "male"},
            {"id_number": "440802194501011244", "id_number_index": "bb"},  # two valid numbers are two persons
            NO_ID | {"birth_date": date(1945, 1, 2)},
            NO_ID | {"birth_date": None},
        ],
    )
    def test_not_certain(self, change: dict[str, object]):
        assert judge(ONE, replace(ONE, elder_id=2, **change)).score < CERTAIN_SCORE  # type: ignore[arg-type]

    def test_order_does_not_matter(self):
        other = replace(ONE, elder_id=2, **NO_ID, phone_index=None)  # type: ignore[arg-type]
        assert judge(ONE, other).score == judge(other, ONE).score
        assert Evidence.ID_MISSING in judge(other, ONE).evidence

    def test_survivor_has_the_valid_number_then_more_data_then_age(self):
        without = replace(ONE, elder_id=2, **NO_ID)  # type: ignore[arg-type]
        fuller = replace(ONE, elder_id=3, filled=10)
        older = replace(ONE, elder_id=4, registered_on=date(2019, 1, 1))
        assert [r.elder_id for r in survivor_first([without, ONE, older, fuller])] == [3, 4, 1, 2]

    @pytest.mark.parametrize(
        ("a", "b", "expected"),
        [("abc", "abd", True), ("abc", "acb", True), ("abc", "ab", True), ("abc", "abcd", True), ("abc", "abc", False),
         ("abc", "cba", False), ("", "a", True), ("ab", "abcd", False), ("abcd", "badc", False)],
    )  # fmt: skip
    def test_typos(self, a: str, b: str, expected: bool):
        assert is_typo(a, b) is expected
        assert is_typo(b, a) is expected


def test_every_reason_that_code_or_mapping_gives_has_a_text(mappings: dict[str, Mapping]):
    package = Path(__file__).parents[2] / "migration"
    source = "\n".join(path.read_text() for path in package.glob("*.py"))
    given_reasons = set(re.findall(r'add_reason\(\s*f?"([a-z_]+)', source)) | set(
        re.findall(r'remark\(\s*f?"([a-z_]+)', source)
    )
    given_reasons |= set(
        re.findall(
            r'"([a-z_]+)": (?:bad|wrong|outside|unreadable|converted|swapped|zero|lost|repaired|too_long|invalid)',
            source,
        )
    )
    given_reasons |= {"bad_date", "orphan", "parent_quarantined", "unknown_code", "bad_number", "division_unknown"}
    for mapping in mappings.values():
        given_reasons |= {reason.partition(":")[0] for values in mapping.reject.values() for reason in values.values()}
        for target in mapping.targets:
            given_reasons |= {
                rule.reason.partition(":")[0] for rule in (*target.ordered, *target.exclusive, *target.consistent)
            }
    assert given_reasons <= set(REASON_TEXTS), given_reasons - set(REASON_TEXTS)
    assert reason_text("missing:XM", {"XM": "姓名"}) == "“姓名”缺失，该项必填"


def test_perceptual_hash_is_stable_and_refuses_junk():
    import io

    from PIL import Image

    random = np.random.default_rng(1)
    image = Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8)).resize((320, 240))
    buffers = []
    for quality in (95, 40):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        buffers.append(buffer.getvalue())
    hashes = [perceptual_hash(content) for content in buffers]
    assert all(value is not None for value in hashes)
    assert bin((hashes[0] or 0) ^ (hashes[1] or 0)).count("1") <= 6
    assert perceptual_hash(b"no picture") is None
    assert perceptual_hash(buffers[0][: len(buffers[0]) // 2]) is None
