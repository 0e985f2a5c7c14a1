"""Rules of releases and duties that need no database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.periods import Cadence, Period
from huiyang.settings import BUSINESS_TIMEZONE
from pipelines.dbt_command import build_command, dbt_variables
from pipelines.duties import due_instant, due_period
from pipelines.orchestration import CadenceSettings, load_orchestration
from pipelines.release import Lane, ManifestItem, merge_manifest, published_view
from pipelines.schedules import _running_month, session_configuration
from pipelines.session import (
    half_yearly_partitions,
    monthly_partitions,
    part_of,
    partition_key,
    period_of_partition,
)


def item(version: int, period: str = "2026-10", lane: Lane = Lane.PROVISIONAL, hour: int = 0) -> ManifestItem:
    return ManifestItem("mart", period, version, lane, datetime(2026, 11, 1, hour, tzinfo=UTC), version)


def test_own_versions_go_over_the_published_ones() -> None:
    base = {("mart", "2026-09"): item(1, "2026-09"), ("mart", "2026-10"): item(2)}
    merged = merge_manifest(base, [item(3, hour=1)])
    assert [i.version_id for i in merged.items] == [1, 3]
    assert (merged.taken, merged.stale) == ([item(3, hour=1)], [])


def test_provisional_never_replaces_official_and_official_replaces_both() -> None:
    official, provisional = item(1, lane=Lane.OFFICIAL), item(2, hour=1)
    assert merge_manifest({("mart", "2026-10"): official}, [provisional]).items == [official]
    assert merge_manifest({("mart", "2026-10"): provisional}, [official]).items == [official]


def test_what_is_older_in_the_same_lane_is_stale() -> None:
    newer = item(2, hour=5)
    merged = merge_manifest({("mart", "2026-10"): newer}, [item(1, hour=4)])
    assert (merged.items, merged.taken, merged.stale) == ([newer], [], [newer])


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(Lane), st.integers(0, 23)), max_size=20))
def test_no_sequence_of_publications_takes_an_official_period_away(steps: list[tuple[int, Lane, int]]) -> None:
    base: dict[tuple[str, str], ManifestItem] = {}
    for version, (month, lane, hour) in enumerate(steps):
        merged = merge_manifest(base, [item(version, f"2026-{month:02}", lane, hour)])
        for key, held in base.items():
            after = {(i.mart, i.period): i for i in merged.items}[key]
            assert not (held.lane == Lane.OFFICIAL and after.lane == Lane.PROVISIONAL)
        base = {(i.mart, i.period): i for i in merged.items}


def test_a_published_view_states_versions_and_periods_literally() -> None:
    text = published_view("mart_x", ["period", "figure"], [item(7, "2026-09"), item(9)]).as_string(None)
    assert text.count("union all") == 1
    assert 'from "store"."mart_x" where version_id = 7' in text
    assert "'2026-10'::text as period" in text
    assert "'provisional'::text as lane, 9::bigint as release_id" in text


# --- periods, partitions, duties ---


def test_partitions_are_months_and_half_years_of_shanghai() -> None:
    orchestration = load_orchestration()
    now = datetime(2026, 11, 23, tzinfo=UTC)
    months = monthly_partitions(orchestration).get_partition_keys(current_time=now)
    assert (months[0], months[-1], len(months)) == ("2023-11", "2026-11", 37)
    halves = half_yearly_partitions(orchestration).get_partition_keys(current_time=now)
    assert halves == ["2023-07", "2024-01", "2024-07", "2025-01", "2025-07", "2026-01", "2026-07"]
    # Midnight in Shanghai is the afternoon before in UTC.
    before, after = datetime(2026, 11, 30, 15, 59, tzinfo=UTC), datetime(2026, 11, 30, 16, 1, tzinfo=UTC)
    keys = monthly_partitions(orchestration)
    assert [keys.get_partition_keys(current_time=t)[-1] for t in (before, after)] == ["2026-11", "2026-12"]


@pytest.mark.parametrize("key", ["2026-10", "2026-H1", "2026-H2", "2024-02"])
def test_a_period_and_its_partition_key_name_each_other(key: str) -> None:
    period = Period.parse(key)
    assert period_of_partition(partition_key(period), period.cadence) == period


def test_the_daily_provisional_refresh_is_of_the_running_month() -> None:
    def target(*when: int) -> str | None:
        return _running_month(datetime(*when, 1, 30, tzinfo=BUSINESS_TIMEZONE)).partition_key  # type: ignore[arg-type, misc]

    assert target(2026, 10, 31) == "2026-10"
    assert target(2026, 11, 1) == "2026-10", "the night after a month's end completes it"
    assert target(2026, 11, 2) == "2026-11"


RULES = CadenceSettings(first_period="2026-09", correction_days=5, due_days=10)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 10, 10), None),  # September is due at the end of the 10th
        (date(2026, 10, 11), "2026-09"),
        (date(2026, 11, 10), "2026-09"),
        (date(2026, 11, 11), "2026-10"),
    ],
)
def test_what_is_due(day: date, expected: str | None) -> None:
    found = due_period(Cadence.MONTHLY, RULES, datetime(day.year, day.month, day.day, 12, tzinfo=BUSINESS_TIMEZONE))
    assert (str(found) if found else None) == expected


def test_a_duty_ends_with_its_day_in_shanghai() -> None:
    assert due_instant(Period.parse("2026-09"), RULES) == datetime(2026, 10, 11, tzinfo=BUSINESS_TIMEZONE)


# --- small functions around dbt ---


def test_the_target_is_the_last_period_of_a_build() -> None:
    variables = dbt_variables([Period.parse("2026-09"), Period.parse("2026-10")], 77, 5)
    assert variables == {
        "cut_off": 77, "build_id": 5, "period": "2026-10", "period_start": "2026-10-01", "period_end": "2026-10-31",
        "periods": [
            {"period": "2026-09", "period_end": "2026-09-30"}, {"period": "2026-10", "period_end": "2026-10-31"},
        ],
    }  # fmt: skip
    half = dbt_variables([Period.parse("2026-H1")], 1, 1)
    assert (half["period_start"], half["period_end"]) == ("2026-01-01", "2026-06-30")


def test_a_refresh_runs_no_unit_tests_of_dbt() -> None:
    command = build_command("tag:monthly")
    assert command[command.index("--exclude-resource-type") + 1] == "unit_test"
    assert command[command.index("--select") + 1] == "tag:monthly"


def test_run_configuration_names_lane_actor_and_cut_off() -> None:
    assert session_configuration(Lane.OFFICIAL, "somebody", 9) == {
        "resources": {"session": {"config": {"lane": "official", "actor": "somebody", "cut_off": 9}}}
    }


def test_parts_of_progress_follow_each_other() -> None:
    seen: list[float] = []

    def tell(what: str, done: float, total: float = 1, /) -> None:
        seen.append(done)

    for start, end in ((0, 0.25), (0.25, 1)):
        report = part_of(tell, "part", start, end)
        report("begin", 0, 4)
        report("half", 2, 4)
        report("end", 4, 4)
    assert (seen[0], seen[1], seen[-1]) == (0, 0.125, 1)
    assert all(first <= second for first, second in pairwise(seen))
