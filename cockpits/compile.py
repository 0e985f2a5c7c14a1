"""Definitions as the documents that Superset's assets import takes, complete: what a document leaves out would stay as
somebody left it in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpits import templates, theme
from cockpits.contract import Column, Relation, load_contract
from cockpits.datasets import Dataset, resolve
from cockpits.definitions import Definition, Definitions, identity, load_definitions
from cockpits.layout import Node, positions, read_layout
from cockpits.lineage import SCHEMA
from cockpits.located import plain

VERSION = "1.0.0"
DATABASE_NAME = "湛江慧养数据仓库"
DATABASE_UUID = identity("databases", "warehouse")
PHONE_SUFFIX = "-phone"
#: Between a chart's own text and the definitions that the contract adds.
DEFINITIONS_HEADING = "【口径】"

_SUPERSET_TYPES = {
    "text": "TEXT", "bigint": "BIGINT", "integer": "INTEGER", "boolean": "BOOLEAN", "date": "DATE",
    "timestamptz": "TIMESTAMP WITH TIME ZONE", "double precision": "DOUBLE PRECISION",
}  # fmt: skip


@dataclass(frozen=True)
class Document:
    """One asset in Superset's import form.

    Attributes:
        kind: databases, datasets, charts or dashboards.
        name: the definition's name; a phone's board has the suffix.
        roles: of a dashboard, which its import leaves out.
    """

    kind: str
    name: str
    content: dict[str, Any]
    roles: tuple[str, ...] = ()

    @property
    def uuid(self) -> str:
        return str(self.content["uuid"])


def compile_assets(
    definitions: Definitions | None = None, contract: dict[str, Relation] | None = None, *, uri: str
) -> dict[str, Document]:
    """UUID -> document. The definitions must be valid (`cockpits.validate`).

    Args:
        uri: of the warehouse as the cockpit login, with its password masked.
    """
    definitions = definitions or load_definitions()
    contract = contract or load_contract()
    documents = [Document("databases", "warehouse", database(uri))]
    datasets: dict[str, Dataset] = {}
    for name, definition in definitions.datasets.items():
        dataset, problems = resolve(definition, contract)
        if dataset is None:
            raise ValueError(f"compiled before it was valid: {problems[0]}")
        datasets[name] = dataset
        documents.append(Document("datasets", name, _dataset(name, dataset)))
    shared_file = definitions.root / "templates" / templates.SHARED_FILE
    shared = shared_file.read_text(encoding="utf-8") if shared_file.exists() else ""
    for name, chart in definitions.charts.items():
        documents.append(Document("charts", name, _chart(chart, definitions, contract, shared)))
    for name, dashboard in definitions.dashboards.items():
        roles = tuple(dashboard.get("roles"))
        documents.append(
            Document("dashboards", name, _dashboard(dashboard, "layout", definitions, datasets, contract), roles)
        )
        if "phone" in dashboard.source:
            content = _dashboard(dashboard, "phone", definitions, datasets, contract)
            documents.append(Document("dashboards", f"{name}{PHONE_SUFFIX}", content, roles))
    return {document.uuid: document for document in documents}


def database(uri: str) -> dict[str, Any]:
    """The warehouse as Superset knows it: read only, outside SQL Lab, one schema."""
    return {
        "database_name": DATABASE_NAME,
        "sqlalchemy_uri": uri,
        "cache_timeout": None,
        "expose_in_sqllab": False,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "impersonate_user": False,
        "extra": {
            "allows_virtual_table_explore": False,
            "metadata_params": {},
            "engine_params": {
                "connect_args": {"options": "-c timezone=Asia/Shanghai -c statement_timeout=60000"},
            },
            "schemas_allowed_for_file_upload": [],
        },
        "uuid": DATABASE_UUID,
        "version": VERSION,
    }


def _dataset(name: str, dataset: Dataset) -> dict[str, Any]:
    definition = dataset.definition
    sql = definition.beside["sql"][1] if "sql" in definition.beside else None
    time_columns = dataset.time_columns
    return {
        # A query's name in Superset; a relation is found by its own.
        "table_name": definition.get("relation") or name,
        "main_dttm_col": time_columns[0] if time_columns else None,
        "currency_code_column": None,
        "description": definition.get("text") or definition.get("title"),
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "schema": SCHEMA,
        "sql": sql,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "uuid": definition.uuid,
        "metrics": [
            {
                "metric_name": metric.name, "verbose_name": metric.label, "metric_type": None,
                "expression": metric.expression, "description": metric.text, "d3format": None, "currency": None,
                "extra": None, "warning_text": None,
            }
            for metric in dataset.metrics.values()
        ],
        "columns": [_column(column) for column in dataset.columns.values()],
        "version": VERSION,
        "database_uuid": DATABASE_UUID,
    }  # fmt: skip


def _column(column: Column) -> dict[str, Any]:
    base_type = column.data_type.partition("(")[0].strip()
    return {
        "column_name": column.name,
        "verbose_name": column.label,
        "is_dttm": base_type in {"date", "timestamptz"},
        "is_active": True,
        "type": _SUPERSET_TYPES.get(base_type, "NUMERIC"),
        "advanced_data_type": None,
        "groupby": True,
        "filterable": True,
        "expression": None,
        "description": column.text,
        "python_date_format": None,
        "datetime_format": None,
        "extra": None,
    }


def definition_texts(chart: Definition, contract: dict[str, Relation]) -> list[Column]:
    """The published columns whose definitions (口径) a chart shows."""
    found = []
    for name in chart.get("definitions") or []:
        relation, _, column = name.partition(".")
        found.append(contract[relation].columns[column])
    return found


def _chart(chart: Definition, definitions: Definitions, contract: dict[str, Relation], shared: str) -> dict[str, Any]:
    params = plain(chart.get("params")) | {"viz_type": chart.get("viz"), "annotation_layers": []}
    if "template" in chart.beside:
        params["handlebarsTemplate"] = templates.expand(chart.beside["template"][1], shared, contract)
    texts = [
        f"{column.label}：{_without(column.label, column.text)}".rstrip("：")
        for column in definition_texts(chart, contract)
    ]
    description = (chart.get("text") or "").strip()
    if texts:
        description = "\n".join([description, DEFINITIONS_HEADING, *texts]).strip()
    return {
        "slice_name": chart.get("title"),
        "description": description or None,
        "certified_by": None,
        "certification_details": None,
        "viz_type": chart.get("viz"),
        "params": params,
        "query_context": None,
        "cache_timeout": None,
        "uuid": chart.uuid,
        "version": VERSION,
        "dataset_uuid": definitions.datasets[chart.get("dataset")].uuid,
    }


def _dashboard(
    dashboard: Definition,
    part: str,
    definitions: Definitions,
    datasets: dict[str, Dataset],
    contract: dict[str, Relation],
) -> dict[str, Any]:
    rows, _ = read_layout(dashboard, part)
    phone = part == "phone"
    name = f"{dashboard.name}{PHONE_SUFFIX}" if phone else dashboard.name
    charts = [definitions.charts[node_name] for node_name in _chart_names(rows)]
    # Superset's import translates these numbers into its own by way of the UUIDs.
    numbers = {chart.name: number for number, chart in enumerate(charts, start=1)}
    chart_of = {chart.name: (numbers[chart.name], chart.uuid, chart.get("title")) for chart in charts}
    board_theme = theme.DASHBOARD_THEMES[dashboard.get("theme")]
    return {
        "dashboard_title": dashboard.get("title"),
        "description": "领导最先问的五个问题：\n"
        + "\n".join(f"{number}. {question}" for number, question in enumerate(dashboard.get("questions"), start=1)),
        "css": board_theme.css(Path(definitions.root)),
        "slug": name,
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "uuid": identity("dashboards", name) if phone else dashboard.uuid,
        "position": positions(dashboard.get("title"), rows, chart_of, _definitions_text(charts, contract)),
        "metadata": _metadata(dashboard, charts, numbers, datasets, definitions),
        "theme_uuid": board_theme.uuid,
        "version": VERSION,
    }


def _chart_names(nodes: list[Node]) -> list[str]:
    names = []
    for node in nodes:
        names += [node.name] if node.kind == "chart" else _chart_names(node.children)
    return names


def _definitions_text(charts: list[Definition], contract: dict[str, Relation]) -> str:
    """The definitions of every indicator on a board, each once, as a markdown list."""
    columns = [column for chart in charts for column in definition_texts(chart, contract)]
    # A label that says everything needs no explanation.
    texts = {column.text: column.label for column in columns if _without(column.label, column.text)}
    notes = [note for chart in charts if (note := (chart.get("text") or "").strip())]
    lines = [f"- **{label}** {_without(label, text)}" for text, label in texts.items()]
    return "\n".join(["#### 口径说明", "", *lines, *(f"- {note}" for note in notes)])


def _without(label: str, text: str) -> str:
    """The text without the label that it begins with."""
    return text.removeprefix("其中").strip().removeprefix(label).lstrip("：，；")


def _metadata(
    dashboard: Definition,
    charts: list[Definition],
    numbers: dict[str, int],
    datasets: dict[str, Dataset],
    definitions: Definitions,
) -> dict[str, Any]:
    filters = []
    for item in dashboard.get("filters") or []:
        column = item["column"]
        # A chart that cannot be filtered by it is left out, or Superset would mark it as failing to apply the filter.
        excluded = [numbers[chart.name] for chart in charts if column not in datasets[chart.get("dataset")].columns]
        filters.append(_filter(item, definitions.datasets[item["dataset"]].uuid, excluded))
    return {
        "color_scheme": theme.CATEGORICAL_SCHEME["id"],
        "refresh_frequency": dashboard.get("refresh_seconds", 0),
        "timed_refresh_immune_slices": [],
        "expanded_slices": {},
        "label_colors": {},
        "color_namespace": "",
        "cross_filters_enabled": False,
        "filter_bar_orientation": "VERTICAL",
        "native_filter_configuration": filters,
        "chart_configuration": {},
        "global_chart_configuration": {"scope": {"rootPath": ["ROOT_ID"], "excluded": []}, "chartsInScope": []},
    }


def _filter(item: dict[str, Any], dataset_uuid: str, excluded: list[int]) -> dict[str, Any]:
    default = item.get("default")
    mask: dict[str, Any] = {"extraFormData": {}, "filterState": {}, "ownState": {}}
    if default:
        chosen = {"col": item["column"], "op": "IN", "val": [default]}
        mask = {"extraFormData": {"filters": [chosen]}, "filterState": {"value": [default]}, "ownState": {}}
    return {
        "id": f"NATIVE_FILTER-{item['id']}",
        "name": item["title"],
        "type": "NATIVE_FILTER",
        "filterType": "filter_select",
        "description": item.get("text", ""),
        "targets": [{"datasetUuid": dataset_uuid, "column": {"name": item["column"]}}],
        "controlValues": {
            "multiSelect": False,
            "enableEmptyFilter": True,  # a board always shows one unit
            "defaultToFirstItem": False,
            "inverseSelection": False,
            "searchAllOptions": False,
        },
        "defaultDataMask": mask,
        "cascadeParentIds": [],
        "adhoc_filters": item.get("only", []),
        "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
    }
