"""The dbt project as text: generated files are current, everything is described in Chinese, layers keep their order."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbt_project.dictionary import DICTIONARY, Sources, app_tables, areas
from dbt_project.dictionary import models as described_models
from dbt_project.generate import PROJECT, generated_files
from huiyang.settings import PROJECT_ROOT, get_settings
from operational_app.core.changelog import log_tables
from pipelines.dbt_command import ensure_manifest

CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: Which layers a layer may read.
BELOW = {
    "staging": {"source"},
    "records": {"staging", "records", "intermediate"},
    "intermediate": {"staging", "intermediate", "reference"},
    "marts": {"staging", "intermediate", "marts", "reference"},
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    from huiyang.secret_store import ensure_secrets

    ensure_secrets(get_settings().secrets_file)
    return json.loads(ensure_manifest(get_settings()).read_text())


@cache
def models(path: str = "models") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in sorted((PROJECT / path).rglob("*.yml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        found += content.get("models", [])
    return found


GENERATED = dict(generated_files())
#: Types of measures.
NUMERIC = re.compile(r"bigint|integer|smallint|numeric|double precision")


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_files_are_as_the_models_of_the_app_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `python -m dbt_project.generate`"


def test_every_table_and_column_of_the_app_is_described_in_chinese() -> None:
    tables = app_tables()
    texts = {f"{table.area}.{table.name}": table.description for table in tables}
    texts |= {f"{t.area}.{t.name}.{column.name}": column.description for t in tables for column in t.columns}
    texts |= {table.area: areas().get(table.area, "") for table in tables}
    undescribed = [name for name, text in texts.items() if not CHINESE.search(text)]
    assert not undescribed, "write a text in dbt_project/app_texts.yml, or column_texts.yml where the table is logged"


def test_no_text_of_what_the_app_no_longer_has() -> None:
    content = yaml.safe_load((PROJECT / "app_texts.yml").read_text(encoding="utf-8"))
    columns = {f"{t.area}.{t.name}": {column.name for column in t.columns} for t in app_tables()}
    assert set(content["areas"]) == {name.partition(".")[0] for name in columns}
    gone = [
        (table, column)
        for table, texts in content["tables"].items()
        for column in texts.get("columns", {}) or [None]
        if table not in columns or (column is not None and column not in columns[table])
    ]
    unused = set(content["common"]) - {name for names in columns.values() for name in names}
    assert (gone, unused) == ([], set())


def test_every_measure_of_a_published_mart_has_a_unit() -> None:
    marts = [model for model in described_models({}) if model.layer == "marts"]
    assert len(marts) >= 12
    without = [
        f"{mart.name}.{column['name']}"
        for mart in marts
        for column in mart.columns
        if bool(NUMERIC.match(column["data_type"]) and not column["name"].endswith("_id")) != bool(column["unit"])
    ]
    assert not without, "a measure needs config.meta.unit in _marts.yml; nothing else has one"


def test_every_model_states_its_grain_and_types() -> None:
    for model in described_models(GENERATED):
        names = [column["name"] for column in model.columns]
        assert model.grain, model.name
        assert set(model.grain) <= set(names), model.name
        assert all(column["data_type"] for column in model.columns), model.name


def test_the_dictionary_names_every_model_with_what_it_reads(manifest: dict[str, Any]) -> None:
    nodes = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    described, sources = described_models(GENERATED), Sources(GENERATED)
    assert {model.name for model in described} == set(nodes)
    text = DICTIONARY.read_text(encoding="utf-8")
    for model in described:
        read = nodes[model.name]["depends_on"]["nodes"]
        assert sources.of(model) == sorted(
            f"raw.{name.rpartition('.')[2]}" if name.startswith("source.") else name.rpartition(".")[2]
            for name in set(read)
        ), model.name
        assert f"\n### {model.name}\n" in text


def test_no_file_of_a_table_that_is_no_longer_logged() -> None:
    tables = {log.name for log in log_tables()}
    assert {path.stem.removeprefix("stg_") for path in (PROJECT / "models" / "staging").glob("*.sql")} == tables
    assert {path.stem.removeprefix("int_") for path in (PROJECT / "models" / "records").glob("*.sql")} <= tables


def test_every_model_seed_and_column_is_described_in_chinese(manifest: dict[str, Any]) -> None:
    undescribed = []
    nodes = [n for n in manifest["nodes"].values() if n["resource_type"] in ("model", "seed")]
    for node in [*nodes, *manifest["sources"].values()]:
        texts = {node["name"]: node["description"]}
        texts |= {f"{node['name']}.{c}": column["description"] for c, column in node["columns"].items()}
        undescribed += [name for name, text in texts.items() if not CHINESE.search(text or "")]
        if not node["columns"]:
            undescribed.append(f"{node['name']}: no columns")
    assert len(nodes) > 80
    assert not undescribed


def test_every_mart_has_an_enforced_contract_and_one_cadence(manifest: dict[str, Any]) -> None:
    marts = [n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["path"].startswith("marts/")]
    for mart in marts:
        assert mart["config"]["contract"]["enforced"], mart["name"]
        assert mart["config"]["materialized"] == "versioned", mart["name"]
        assert len({"monthly", "half_yearly"} & set(mart["tags"])) == 1, mart["name"]
        assert all(column["data_type"] for column in mart["columns"].values()), mart["name"]
        assert {"period", "period_end"} <= set(mart["columns"]), mart["name"]
    assert len(marts) >= 12


def test_layers_read_only_what_lies_below_them(manifest: dict[str, Any]) -> None:
    def layer(unique_id: str) -> str:
        if unique_id.startswith("source."):
            return "source"
        return "reference" if unique_id.startswith("seed.") else manifest["nodes"][unique_id]["path"].split("/")[0]

    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            own = layer(node["unique_id"])
            for parent in node["depends_on"]["nodes"]:
                assert layer(parent) in BELOW[own], f"{node['name']} reads {parent}"


def test_names_carry_their_layer() -> None:
    prefixes = {"staging": "stg_", "records": "int_", "intermediate": "int_", "marts": "mart_"}
    for layer, prefix in prefixes.items():
        for path in (PROJECT / "models" / layer).glob("*.sql"):
            assert path.stem.startswith(prefix), path
    for path in (PROJECT / "models" / "marts").glob("*.sql"):
        assert path.stem.endswith(("_month", "_half_year")), path


def test_no_personal_column_reaches_the_warehouse(manifest: dict[str, Any]) -> None:
    from operational_app.core.base import Base

    personal = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.info.get("personal")
    }
    for source in manifest["sources"].values():
        assert not {(source["name"], column) for column in source["columns"]} & personal, source["name"]


def test_only_dispatched_macros_say_what_only_postgresql_can() -> None:
    """Decision 16: another engine is another dispatch. Macros hold such words, models do not."""
    words = re.compile(r"at time zone|::|distinct on|filter \(|percentile_cont|extract\(|date_trunc|generate_series")
    found = [
        f"{path.relative_to(PROJECT_ROOT)}: {match[0]}"
        for path in (PROJECT / "models").rglob("*.sql")
        for match in words.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_exposures_name_what_exists(manifest: dict[str, Any]) -> None:
    assert manifest["exposures"]
    for exposure in manifest["exposures"].values():
        assert exposure["label"]
        assert CHINESE.search(exposure["description"])
        assert all(node in manifest["nodes"] for node in exposure["depends_on"]["nodes"])
