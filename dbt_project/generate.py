"""Writes the files of the dbt project that repeat the operational app's models: `python -m dbt_project.generate`.

From the change log's columns, the code lists and `column_texts.yml` come the raw source, the staging views, the
descriptions of the records and the seed of code labels; from all texts together the data dictionary. A test holds the
committed files against what this writes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Enum, Table

from dbt_project.dictionary import DICTIONARY, PROJECT, data_dictionary, with_codes
from operational_app import models  # noqa: F401  (fills the registries)
from operational_app.core.base import Base, Code
from operational_app.core.changelog import LogTable, log_tables

_YAML_NOTICE = "# Written by `python -m dbt_project.generate`; texts live in column_texts.yml and the app's models.\n"
_SQL_NOTICE = "-- Written by `python -m dbt_project.generate`.\n"
#: Logged tables without a model of records: a mart reads their staging view, or nothing does yet.
_WITHOUT_RECORDS = frozenset({"elder_merge", "service_agreement"})

#: Logged tables of which a model `int_<table>_spell` lays out over which months they hold, with all their columns.
_WITH_SPELLS = frozenset({"facility", "institution"})


class Texts:
    """The descriptions in `column_texts.yml`."""

    def __init__(self) -> None:
        self._content: dict[str, Any] = yaml.safe_load((PROJECT / "column_texts.yml").read_text(encoding="utf-8"))

    def table(self, table: str) -> str:
        return str(self._content["tables"][table]["description"])

    def records(self, table: str) -> str:
        note = self._content["tables"][table].get("record_note", "期末有效的记录")
        return f"{self.table(table)}：截止时点已知、{note}；每行一条记录，供质量闸门与集市使用"

    def column(self, table: str, column: str, code: type[Code] | None) -> str:
        own = self._content["tables"][table]["columns"]
        text = own.get(column) or self._content["common"][column]
        if code is not None:
            text += with_codes(code)
        return str(text)

    def header(self, column: str) -> str:
        return str(self._content["header"][column])

    def derived(self) -> list[dict[str, str]]:
        return [{"name": n, "data_type": "text", "description": t} for n, t in self._content["derived"].items()]

    def spell(self) -> list[dict[str, str]]:
        return [{"name": n, "data_type": "integer", "description": t} for n, t in self._content["spell"].items()]


def _column_codes(logs: list[LogTable]) -> dict[tuple[str, str], type[Code]]:
    """(table, column) of every logged column that holds a closed list → that list."""
    by_name = {code.__name__.lower(): code for code in Code.__subclasses__()}
    logged = {(log.name, name) for log in logs for name, _ in log.columns}
    result = {}
    for mapper in Base.registry.mappers:
        table = mapper.local_table
        assert isinstance(table, Table)
        for column in table.columns:
            if (table.name, column.name) in logged and isinstance(column.type, Enum):
                result[table.name, column.name] = by_name[str(column.type.name)]
    return result


def _described(log: LogTable, texts: Texts, codes: dict[tuple[str, str], type[Code]]) -> list[dict[str, str]]:
    return [
        {"name": str(name), "data_type": kind, "description": texts.column(log.name, name, codes.get((log.name, name)))}
        for name, kind in log.columns
    ]


def _resolved(columns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Records name the surviving file of a merged elder."""
    note = "（已合并的档案取保留档案的主键）"
    return [c | {"description": c["description"] + note} if c["name"] == "elder_id" else c for c in columns]


def _header(log: LogTable, texts: Texts) -> list[dict[str, str]]:
    columns = [*log.all_columns[: len(log.all_columns) - len(log.columns)], ("batch_id", "bigint")]
    return [{"name": name, "data_type": kind, "description": texts.header(name)} for name, kind in columns]


def _yaml(content: dict[str, Any]) -> str:
    return _YAML_NOTICE + yaml.safe_dump(
        content, allow_unicode=True, sort_keys=False, default_flow_style=None, width=10_000
    )


def _code_label_csv(codes: dict[tuple[str, str], type[Code]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["code_list", "value", "label", "position"])
    for code in sorted(set(codes.values()), key=lambda code: code.__name__):
        writer.writerows([code.__name__, member.value, member.label, i] for i, member in enumerate(code, start=1))
    return buffer.getvalue()


def generated_files() -> Iterator[tuple[Path, str]]:
    """Path and content of every generated file."""
    files = dict(_project_files())
    yield from files.items()
    yield DICTIONARY, data_dictionary(files)


def _project_files() -> Iterator[tuple[Path, str]]:
    texts, logs = Texts(), log_tables()
    codes = _column_codes(logs)
    staging = PROJECT / "models" / "staging"
    yield (
        staging / "_sources.yml",
        _yaml(
            {
                "version": 2,
                "sources": [
                    {
                        "name": "raw",
                        "description": "业务库变更日志的抽取，只增不改；不含个人信息列。",
                        "schema": "raw",
                        "tables": [
                            {
                                "name": str(log.name),
                                "description": f"{texts.table(log.name)}（变更日志）",
                                "columns": _header(log, texts) + _described(log, texts, codes),
                            }
                            for log in logs
                        ],
                    }
                ],
            }
        ),
    )
    yield (
        staging / "_staging.yml",
        _yaml(
            {
                "version": 2,
                "models": [
                    {
                        "name": f"stg_{log.name}",
                        "description": f"{texts.table(log.name)}：变更日志的暂存视图，每行为一条记录的一个版本。",
                        "columns": [c for c in _header(log, texts) if c["name"] != "batch_id"]
                        + _described(log, texts, codes),
                    }
                    for log in logs
                ],
            }
        ),
    )
    for log in logs:
        names = ",\n    ".join(name for name, _ in log.all_columns)
        source = "{{ source('raw', '" + log.name + "') }}"
        yield staging / f"stg_{log.name}.sql", f"{_SQL_NOTICE}select\n    {names}\nfrom {source}\n"
    yield (
        PROJECT / "models" / "records" / "_records.yml",
        _yaml(
            {
                "version": 2,
                "models": [
                    {
                        "name": f"int_{log.name}",
                        "description": texts.records(log.name),
                        "columns": _resolved(_described(log, texts, codes)) + texts.derived(),
                    }
                    for log in logs
                    if log.name not in _WITHOUT_RECORDS
                ],
            }
        ),
    )
    yield (
        PROJECT / "models" / "intermediate" / "_spells.yml",
        _yaml(
            {
                "version": 2,
                "models": [
                    {
                        "name": f"int_{log.name}_spell",
                        "description": f"{texts.table(log.name)}运营的月份区间，每行为一条记录的一个版本。",
                        "config": {"meta": {"grain": ["id", "valid_from_month"]}},
                        "columns": _resolved(_described(log, texts, codes)) + texts.spell(),
                    }
                    for log in logs
                    if log.name in _WITH_SPELLS
                ],
            }
        ),
    )
    yield PROJECT / "seeds" / "ref_code_label.csv", _code_label_csv(codes)


def main() -> None:
    for path, content in generated_files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
