"""The data dictionary, `docs/data-dictionary.md`, in Chinese: every column that is published, built or kept in the app.

Its texts are those of the dbt project's YAML, of `column_texts.yml` and, for what never leaves the app, of
`app_texts.yml`; nothing is written here but the frame. `python -m dbt_project.generate` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Column, Enum
from sqlalchemy.dialects import postgresql

from operational_app.core.base import Base, Code
from operational_app.core.changelog import log_tables

PROJECT = Path(__file__).parent
DICTIONARY = PROJECT.parent / "docs" / "data-dictionary.md"

#: Layers in the dictionary's order: folder below models/, heading, what they are.
LAYERS = (
    ("marts", "一、发布集市", "驾驶舱所读；每次构建按期入库，发布后以视图 `published.<名称>` 提供。"),
    ("intermediate", "二、中间模型", "集市共用的口径与区间，库模式 `intermediate`，每次构建重建。"),
    (
        "records",
        "三、记录模型",
        "截止时点已知的记录，库模式 `candidate`，供质量闸门逐条检查，也供集市使用；每次构建重建。",
    ),
    ("staging", "四、暂存视图", "变更日志的逐列视图，库模式 `staging`；来源 `raw.<表>` 与业务库变更日志逐列相同。"),
)
_GRAIN = {"staging": ["id", "change_id"], "records": ["id"]}
_CADENCES = {"monthly": "月度", "half_yearly": "半年度"}
_PUBLISHED_COLUMNS = (
    ("lane", "text", "通道（official 正式、provisional 快报）"),
    ("release_id", "bigint", "带来该期数据的版本号"),
    ("as_of", "timestamptz", "数据截止时间"),
)
_NOTICE = "<!-- Written by `python -m dbt_project.generate`; texts live in the YAML of dbt_project/. -->"
_INTRODUCTION = """
数据自业务库单向流出：变更日志 → `raw` → 暂存视图 → 记录与中间模型 → 集市 → 质量闸门 → 发布 → 驾驶舱，
见 [data-flow.md](data-flow.md)。指标口径即各列说明；名词见 [glossary.md](glossary.md)。
数据仓库中没有姓名、证件号、电话、住址、精确位置与病史。
"""


@dataclass(frozen=True)
class Model:
    """A dbt model as its YAML describes it.

    Attributes:
        grain: the columns of which no two rows have the same values.
        columns: name, data_type, description, and unit where one is stated.
    """

    name: str
    layer: str
    description: str
    cadence: str | None
    grain: Sequence[str]
    columns: Sequence[Mapping[str, str]]


def models(files: Mapping[Path, str]) -> list[Model]:
    """Every model of the project, by layer and in the order of its YAML.

    Args:
        files: contents that stand for those on disk: what is being generated.
    """
    found = []
    for layer, _, _ in LAYERS:
        folder = PROJECT / "models" / layer
        for path in sorted({*folder.glob("*.yml"), *(path for path in files if path.parent == folder)}):
            if path.suffix == ".yml":
                text = files[path] if path in files else path.read_text(encoding="utf-8")
                found += [_model(layer, node) for node in yaml.load(text, yaml.CSafeLoader).get("models", [])]
    return found


def _model(layer: str, node: Mapping[str, Any]) -> Model:
    config = node.get("config", {})
    tests = [test["unique_grain"] for test in node.get("data_tests", []) if "unique_grain" in test]
    grain = config.get("meta", {}).get("grain") or (tests[0]["arguments"]["columns"] if tests else _GRAIN.get(layer))
    return Model(
        node["name"],
        layer,
        node["description"],
        next((text for tag, text in _CADENCES.items() if tag in config.get("tags", [])), None),
        grain or [],
        [
            {
                "name": column["name"],
                "data_type": column.get("data_type", ""),
                "description": column["description"],
                "unit": column.get("config", {}).get("meta", {}).get("unit", ""),
            }
            for column in node["columns"]
        ],
    )


class Sources:
    """What a model reads, as its SQL says, through the project's macros."""

    _REFERENCE = re.compile(r"ref\('(\w+)'\)")
    _SOURCE = re.compile(r"source\('(\w+)', '(\w+)'\)")
    _OF_ITS_TABLE = "ref('stg_' ~ table)"

    def __init__(self, files: Mapping[Path, str]) -> None:
        self._files = files
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "macros").glob("*.sql")))
        self._macros = {
            match[1]: match[2] for match in re.finditer(r"\{%-?\s*macro (\w+)\((.*?)endmacro", text, re.DOTALL)
        }
        self._call = re.compile(rf"\b({'|'.join(self._macros)})\(\s*('?\w*'?)")

    def of(self, model: Model) -> list[str]:
        """Names of models and seeds, or `raw.<table>`, sorted."""
        path = PROJECT / "models" / model.layer / f"{model.name}.sql"
        return sorted(self._read(self._files.get(path) or path.read_text(encoding="utf-8"), None))

    def _read(self, text: str, table: str | None) -> set[str]:
        found = set(self._REFERENCE.findall(text)) | {".".join(names) for names in self._SOURCE.findall(text)}
        if table and self._OF_ITS_TABLE in text:
            found.add(f"stg_{table}")
        for name, argument in self._call.findall(text):
            found |= self._read(self._macros[name], argument.strip("'") if argument.startswith("'") else table)
        return found


@dataclass(frozen=True)
class AppColumn:
    """A column of the operational app.

    Attributes:
        personal: marked so in the models, or as of use only inside: it never enters change log or warehouse.
        description: in Chinese; empty where nobody wrote one.
    """

    name: str
    data_type: str
    nullable: bool
    personal: bool
    description: str


@dataclass(frozen=True)
class AppTable:
    """A table of the operational app, `area.name`."""

    area: str
    name: str
    logged: bool
    description: str
    columns: Sequence[AppColumn]


def app_tables() -> list[AppTable]:
    """Every table of the operational app, by area and name."""
    texts = yaml.load((PROJECT / "app_texts.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    logged_texts = yaml.load((PROJECT / "column_texts.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    logged = {(log.source_schema, log.name): {name for name, _ in log.all_columns} for log in log_tables()}
    found = []
    for table in sorted(Base.metadata.tables.values(), key=lambda table: (str(table.schema), table.name)):
        leaves = logged.get((str(table.schema), table.name), set())
        own = texts["tables"].get(f"{table.schema}.{table.name}", {})
        of_log = logged_texts["tables"][table.name] if leaves else {}
        description = table.comment or own.get("description") or of_log.get("description", "")
        columns = [
            _app_column(column, own, of_log, texts["common"], logged_texts["common"], leaves)
            for column in table.columns
        ]
        found.append(AppTable(str(table.schema), table.name, bool(leaves), description, columns))
    return found


def _app_column(
    column: Column[Any],
    own: Mapping[str, Any],
    of_log: Mapping[str, Any],
    common: Mapping[str, str],
    common_of_logs: Mapping[str, str],
    leaves: Iterable[str],
) -> AppColumn:
    name = column.name
    shared = [common_of_logs.get(name), common.get(name)]
    texts = [
        column.doc or column.comment,
        own.get("columns", {}).get(name),
        of_log.get("columns", {}).get(name),
        *(shared if name in leaves else reversed(shared)),
    ]
    description = next((text for text in texts if text), "")
    if isinstance(column.type, Enum) and column.type.enum_class is not None:
        description += with_codes(column.type.enum_class)
    kind = column.type.compile(postgresql.dialect()).lower()
    kind = "text" if kind.startswith("varchar") else kind.replace("timestamp with time zone", "timestamptz")
    return AppColumn(name, kind, bool(column.nullable), bool(column.info.get("personal")), description)


def with_codes(code: type[Code]) -> str:
    """The values of a closed list with their labels, in brackets."""
    return "（" + "、".join(f"{member.value} {member.label}" for member in code) + "）"


def areas() -> dict[str, str]:
    """Business area (schema of the app) → its Chinese name."""
    texts = yaml.load((PROJECT / "app_texts.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return dict(texts["areas"])


def data_dictionary(files: Mapping[Path, str]) -> str:
    """The whole document.

    Args:
        files: what else is being generated, by path.
    """
    return "\n".join(_lines(files)) + "\n"


def _lines(files: Mapping[Path, str]) -> Iterator[str]:
    described, sources, tables, names = models(files), Sources(files), app_tables(), areas()
    yield from (_NOTICE, "# 数据字典", _INTRODUCTION, "## 目录")
    for layer, heading, _ in LAYERS:
        links = "、".join(f"[{model.name}](#{model.name})" for model in described if model.layer == layer)
        yield f"- **{heading}**：{links}"
    of_areas = "、".join(f"[{names[area]}](#{_anchor(area, names)})" for area in dict.fromkeys(t.area for t in tables))
    yield from (f"- **五、业务库**：{of_areas}", "")
    for layer, heading, text in LAYERS:
        yield from (f"## {heading}", text, "")
        if layer == "marts":
            yield from ("发布视图另有三列：", "", *_table(("列", "类型", "说明"), _PUBLISHED_COLUMNS), "")
        for model in described:
            if model.layer == layer:
                yield from _model_lines(model, sources.of(model))
    yield from (
        "## 五、业务库",
        "业务库 `app` 的表，一个业务领域一个模式。“个人或内部”为“是”的列，是个人信息或只在业务库内使用，"
        "不进入变更日志与数据仓库；标明“整表不出库”的表，其余各列也不进入。",
        "",
    )
    area = None
    for table in tables:
        if table.area != area:
            area = table.area
            yield from (f"### {names[area]} {area}", "")
        yield from _app_lines(table)


def _anchor(area: str, names: Mapping[str, str]) -> str:
    return f"{names[area]}-{area}"


def _model_lines(model: Model, sources: Sequence[str]) -> Iterator[str]:
    yield from (f"### {model.name}", model.description, "")
    if model.cadence:
        yield f"- 频度：{model.cadence}"
    yield f"- 粒度（每行唯一）：{'、'.join(f'`{name}`' for name in model.grain)}"
    yield from (f"- 来源：{'、'.join(f'`{name}`' for name in sources) or '质量闸门'}", "")
    if any(column["unit"] for column in model.columns):
        rows = [(c["name"], c["data_type"], c["unit"], c["description"]) for c in model.columns]
        yield from _table(("列", "类型", "单位", "说明"), rows)
    else:
        plain = [(c["name"], c["data_type"], c["description"]) for c in model.columns]
        yield from _table(("列", "类型", "说明"), plain)
    yield ""


def _app_lines(table: AppTable) -> Iterator[str]:
    yield from (f"#### {table.area}.{table.name}", table.description + ("。" if table.logged else "。整表不出库。"), "")
    rows = [
        (c.name, c.data_type, "是" if c.nullable else "否", "是" if c.personal else "否", c.description)
        for c in table.columns
    ]
    yield from (*_table(("列", "类型", "可空", "个人或内部", "说明"), rows), "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for name, *rest in rows:
        yield f"| `{name}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in rest)} |"
