"""The catalogue as a whole: every record table and coded column is covered, and every text is fit to be shown."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Enum, Table

from expectations import required_fields
from expectations.catalogue import SUBJECTS, Catalogue, catalogue_for
from expectations.catalogue.building_blocks import lookups_for, lookups_of
from expectations.labels import column_label
from expectations.required_fields import read_versions, version_for
from expectations.rule import Dimension, RecordPeriod, Rule, Severity, Theme
from expectations.subjects import subject_sql
from huiyang.errors import HuiyangError
from huiyang.settings import PROJECT_ROOT
from operational_app.core.base import Base
from operational_app.core.changelog import log_tables

CATALOGUE = catalogue_for(date(2026, 10, 31))
RECORDS = RecordPeriod("2026-10", date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 5))
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: City-wide lists, and the places of beds: the gate compares with them but does not judge them.
_NOT_JUDGED = {"service_category", "service_item", "building", "room"}


def test_every_record_table_is_judged() -> None:
    models = {path.stem.removeprefix("int_") for path in (PROJECT_ROOT / "dbt_project/models/records").glob("*.sql")}
    assert {subject.table for subject in SUBJECTS} == models - _NOT_JUDGED


def test_every_subject_has_its_own_prefix_and_its_rules_carry_it() -> None:
    assert len({subject.prefix for subject in SUBJECTS}) == len(SUBJECTS)
    # What asks a register keeps the register's prefix, whatever it is asked about.
    assert all(rule.id.startswith((f"{rule.subject.prefix}-", "DUE-")) for rule in CATALOGUE.rules)
    assert len({rule.id for rule in CATALOGUE.rules}) == len(CATALOGUE.rules)


def test_every_theme_dimension_and_severity_is_used() -> None:
    assert {rule.theme for rule in CATALOGUE.rules} == set(Theme)
    assert {rule.dimension for rule in CATALOGUE.rules} == set(Dimension)
    assert {rule.severity for rule in CATALOGUE.rules} == set(Severity)


@pytest.mark.parametrize("rule", CATALOGUE.rules, ids=lambda rule: rule.id)
def test_texts_are_chinese_and_whole(rule: Rule) -> None:
    assert _CHINESE.search(rule.title) and not rule.title.endswith("。") and len(rule.title) <= 40
    assert _CHINESE.search(rule.definition) and rule.definition.endswith("。")
    assert _CHINESE.search(rule.recommendation) and rule.recommendation.endswith("。")


def test_every_coded_column_has_a_rule() -> None:
    judged = {subject.table: subject.prefix for subject in SUBJECTS}
    logged = {(str(log.name), name) for log in log_tables() for name, _ in log.columns}
    coded = {
        f"{judged[table.name]}-CODE-{column.name}"
        for mapper in Base.registry.mappers
        if isinstance(table := mapper.local_table, Table) and table.name in judged
        for column in table.columns
        if isinstance(column.type, Enum) and (table.name, column.name) in logged
    }
    assert coded <= {rule.id for rule in CATALOGUE.rules}


def test_every_subject_that_counts_has_required_fields() -> None:
    """Otherwise a theme's completeness would say nothing of it."""
    assert {subject.table for subject in SUBJECTS if subject.counts} == set(CATALOGUE.required_fields.tables)


def test_required_fields_are_columns_of_their_table() -> None:
    columns = {str(log.name): {name for name, _ in log.columns} for log in log_tables()}
    for table, required in CATALOGUE.required_fields.tables.items():
        assert {field.column for field in required.fields} <= columns[table], table


def test_a_missing_required_field_is_not_an_error_too() -> None:
    required = [rule for rule in CATALOGUE.rules if "-REQ-" in rule.id]
    assert required and {rule.severity for rule in required} == {Severity.WARNING}
    assert {rule.dimension for rule in required} == {Dimension.COMPLETENESS}


def test_only_the_lookups_that_rules_need_are_joined() -> None:
    elder = next(subject for subject in SUBJECTS if subject.table == "elder")
    phone, code = CATALOGUE["ELD-02"], CATALOGUE["ELD-18"]
    assert lookups_for(elder, [phone]) == ()
    [lookup] = lookups_for(elder, [phone, code])
    assert set(lookup.columns) == {"elder_code_repeated"}
    assert lookups_for(elder, CATALOGUE.of(elder)) == lookups_of(elder)
    assert "join" not in subject_sql(elder, RECORDS, [])
    assert "date '2026-11-05' as as_of_date" in subject_sql(elder, RECORDS, [])


def test_every_lookup_serves_a_rule() -> None:
    for subject in SUBJECTS:
        unused = set(lookups_of(subject)) - set(lookups_for(subject, CATALOGUE.of(subject)))
        assert not unused, (subject.table, [list(lookup.columns) for lookup in unused])


def test_the_fingerprint_changes_with_what_decides() -> None:
    rules = list(CATALOGUE.rules)
    changed = Rule(**{**vars(rules[5]), "violated": "false"})
    assert Catalogue(tuple(rules), CATALOGUE.required_fields).sha256 == CATALOGUE.sha256
    assert Catalogue((*rules[:5], changed, *rules[6:]), CATALOGUE.required_fields).sha256 != CATALOGUE.sha256


def test_labels_come_without_remarks() -> None:
    assert column_label("elder", "birth_month") == "出生年月"
    assert column_label("family_bed", "opened_on") == "建床日"


def _write(path: Path, *versions: dict[str, object]) -> Path:
    rest = {"basis": "b", "registers": [], "tables": {}}
    path.write_text(yaml.safe_dump({"versions": [version | rest for version in versions]}), encoding="utf-8")
    return path


def test_versions_of_required_fields_follow_each_other(tmp_path: Path) -> None:
    first = {"version": "1", "effective_from": date(2023, 1, 1), "effective_until": date(2024, 6, 30)}
    second = {"version": "2", "effective_from": date(2024, 7, 1), "effective_until": None}
    assert [version.version for version in read_versions(_write(tmp_path / "a.yaml", first, second))] == ["1", "2"]
    with pytest.raises(HuiyangError, match="on the same day"):
        read_versions(_write(tmp_path / "b.yaml", first, second | {"effective_from": date(2024, 6, 30)}))
    with pytest.raises(HuiyangError, match="on the same day"):
        read_versions(_write(tmp_path / "c.yaml", first | {"effective_until": None}, second))


def test_a_wrong_key_in_required_fields_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.yaml", {"version": "1", "effective_from": date(2023, 1, 1), "effective_till": None})
    with pytest.raises(HuiyangError, match="effective_till"):
        read_versions(path)


def test_a_period_without_a_version_is_an_error() -> None:
    with pytest.raises(HuiyangError, match="2019-12-31"):
        version_for(date(2019, 12, 31))
    assert version_for(date(2026, 10, 31)).version == required_fields.read_versions()[-1].version
