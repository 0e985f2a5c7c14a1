"""The offline check of the cockpits: the definitions are valid, and each way to break them is found where it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cockpits import compile as compiler
from cockpits import definitions as definitions_module
from cockpits.contract import Column, load_contract
from cockpits.definitions import ASSETS_DIR, identity, is_ours, load_definitions
from cockpits.layout import layout_of
from cockpits.validate import validate
from huiyang.settings import PROJECT_ROOT

URI = "postgresql+psycopg2://huiyang_cockpit:XXXXXXXXXX@localhost/warehouse"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return shutil.copytree(ASSETS_DIR, tmp_path / "assets")


def problems(assets: Path) -> list[str]:
    """`folder/file:line: message` of each problem."""
    return [
        f"{problem.path.relative_to(assets)}:{problem.line}: {problem.message}"
        for problem in validate(load_definitions(assets))
    ]


def replace(path: Path, old: str, new: str) -> int:
    """Replaces a text that occurs, and returns the line of its first occurrence."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_definitions_are_valid(assets: Path) -> None:
    assert problems(assets) == []


def test_the_command_agrees() -> None:
    """With Superset's own packages, and with the Chinese texts checked too."""
    result = subprocess.run(
        [PROJECT_ROOT / ".venv-superset" / "bin" / "python", "-m", "cockpits", "validate"],
        cwd=PROJECT_ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "The definitions are valid.\n"), result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("charts/age_structure.yaml", "x_axis: age_group", "x_axis: age",
         "dataset `age_structure` has no column `age`"),
        ("charts/age_structure.yaml", "[value]", "[values]", "dataset `age_structure` has no metric `values`"),
        ("charts/age_structure.yaml", "groupby: [series]", "groupby: [gender]",
         "dataset `age_structure` has no column `gender`"),
        ("charts/age_structure.yaml", "dataset: age_structure", "dataset: ages", "there is no dataset `ages`"),
        ("charts/order_trend.yaml", "subject: indicator", "subject: kind",
         "dataset `month_trend` has no column `kind`"),
        ("charts/county_ranking.yaml", '\'["place", true]\'', '\'["rank", true]\'',
         "dataset `county_ranking` has no column `rank`"),
        ("charts/care_mode.yaml", "mart_overview_month.home_elder_count", "mart_overview_month.home_count",
         "`mart_overview_month.home_count` is not published"),
        ("charts/care_mode.yaml", "template: care_mode.hbs", "template: care.hbs",
         "there is no care.hbs in templates/"),
        ("charts/care_mode.yaml", "text:", "note:", "`note` is not known here"),
        ("datasets/alarm_current.yaml", "{sum: alarm_count}", "{sum: alarms}",
         "metric `alarm_count`: there is no column `alarms`"),
        ("datasets/month_trend.yaml", "sum(value)", "sum(values)",
         "metric `value`: there is no column `values`"),
        ("datasets/care_mode.yaml", "  position:", "  place:", "the SQL gives no column `place`"),
        ("datasets/county_ranking.sql", "month.facility_count", "month.facilities", "facilities"),
        ("datasets/county_ranking.sql", "published.mart_overview_month", "published.mart_overview",
         "`mart_overview` is not published"),
        ("datasets/county_ranking.sql", "published.mart_overview_month", "raw.elder",
         "`elder` is not read from schema published"),
        ("templates/care_mode.hbs", "this.care_mode", "this.mode", "the chart's query gives no `mode`"),
        ("templates/key_figures.hbs", "[[text:mart_overview_month.elder_count]]", "[[text:mart_overview_month.elders]]",
         "`mart_overview_month.elders` is not published"),
        ("dashboards/overview.yaml", "{chart: county_map, width: 6", "{chart: city_map, width: 6",
         "there is no chart `city_map`"),
        ("dashboards/overview.yaml", "width: 6, height: 70", "width: 6", "`height` is missing"),
        ("dashboards/overview.yaml", "column: unit_name", "column: unit",
         "dataset `age_structure` has no column `unit`"),
        ("dashboards/overview.yaml", "roles: [cockpit_viewer]", "roles: [everybody]",
         "there is no role `everybody` in roles.yaml"),
        ("dashboards/overview.yaml", "theme: wall", "theme: neon", "there is no theme `neon`"),
    ],
)  # fmt: skip
def test_a_break_in_the_chain_is_found_with_file_and_line(
    assets: Path, file: str, old: str, new: str, message: str
) -> None:
    line = replace(assets / file, old, new)
    found = problems(assets)
    assert any(problem.startswith(f"{file}:{line}: ") and message in problem for problem in found), found


def test_a_column_that_the_contract_loses_breaks_every_chart_that_shows_it() -> None:
    contract = load_contract()
    mart = contract["mart_overview_month"]
    remaining = {name: column for name, column in mart.columns.items() if name != "elder_80_count"}
    contract["mart_overview_month"] = type(mart)(mart.name, mart.text, remaining)
    files = {problem.path.name for problem in validate(load_definitions(), contract)}
    assert {"overview_indicator.sql", "county_ranking.sql", "county_map.sql", "key_figures.yaml"} <= files


def test_what_nothing_shows_is_a_problem(assets: Path) -> None:
    shutil.copy(assets / "charts" / "care_mode.yaml", assets / "charts" / "spare.yaml")
    assert problems(assets) == ["charts/spare.yaml:1: no dashboard shows this chart"]


def test_broken_yaml_is_a_problem_with_its_line(assets: Path) -> None:
    (assets / "charts" / "care_mode.yaml").write_text("title: 养老方式\n  dataset: x\n", encoding="utf-8")
    assert any(problem.startswith("charts/care_mode.yaml:2: not YAML") for problem in problems(assets))


def test_identities_are_stable_and_known_as_ours() -> None:
    assert identity("charts", "county_map") == identity("charts", "county_map")
    assert identity("charts", "county_map") != identity("datasets", "county_map")
    assert is_ours(identity("charts", "county_map"))
    assert not is_ours("2b1b4b1e-6d3c-4f0e-9b1a-0d6c5c1f7a11")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("在册老人数：期末在册、60 周岁及以上、未死亡未迁出；口径为平台在册", "在册老人数"),
        ("其中 80 周岁及以上人数", "80 周岁及以上人数"),
        ("县（市、区）名称", "县（市、区）名称"),
        ("县（市、区）代码（12 位；无法归属时为空串）", "县（市、区）代码"),
        ("期（YYYY-MM）", "期"),
    ],
)
def test_a_label_is_the_beginning_of_its_text(text: str, label: str) -> None:
    assert Column("any", "text", text).label == label


def test_texts_come_from_the_contract(assets: Path) -> None:
    documents = compiler.compile_assets(load_definitions(assets), uri=URI)
    contract = load_contract()
    ranking = documents[identity("datasets", "county_ranking")].content
    column = next(item for item in ranking["columns"] if item["column_name"] == "elder_count")
    published = contract["mart_overview_month"].columns["elder_count"]
    assert (column["verbose_name"], column["description"]) == (published.label, published.text)
    board = documents[identity("dashboards", "overview")].content
    elements = [element for element in board["position"].values() if isinstance(element, dict)]
    shown = "".join(element.get("meta", {}).get("code", "") for element in elements)
    assert published.label in shown
    assert published.text.partition("：")[2] in shown


def test_no_password_and_no_number_of_an_installation_is_compiled(assets: Path) -> None:
    documents = compiler.compile_assets(load_definitions(assets), uri=URI)
    text = yaml.safe_dump([document.content for document in documents.values()], allow_unicode=True)
    assert "datasource:" not in text
    assert "slice_id:" not in text
    assert "password" not in text


def test_a_layout_survives_the_way_into_superset_and_back(assets: Path) -> None:
    definitions = load_definitions(assets)
    documents = compiler.compile_assets(definitions, uri=URI)
    board = definitions.dashboards["overview"]
    names = {chart.uuid: name for name, chart in definitions.charts.items()}
    position = documents[board.uuid].content["position"]
    rows = layout_of(position, names)
    assert rows[0] == {"row": [{"chart": "release_banner", "width": 12, "height": 8}]}
    (board.source["layout"],) = [definitions_module.located.plain(rows)]
    rewritten = board.path
    rewritten.write_text(
        yaml.safe_dump(definitions_module.located.plain(board.source), allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )
    again = compiler.compile_assets(load_definitions(assets), uri=URI)
    assert again[board.uuid].content["position"] == position


def test_a_filter_leaves_out_the_charts_that_cannot_follow_it(assets: Path) -> None:
    documents = compiler.compile_assets(load_definitions(assets), uri=URI)
    board = documents[identity("dashboards", "overview")].content
    names = {
        element["meta"]["chartId"]: element["id"].removeprefix("CHART-")
        for element in board["position"].values()
        if isinstance(element, dict) and element.get("type") == "CHART"
    }
    (unit,) = board["metadata"]["native_filter_configuration"]
    assert {names[number] for number in unit["scope"]["excluded"]} == {
        "release_banner", "county_map", "county_ranking", "institution_by_county", "data_quality",
    }  # fmt: skip
