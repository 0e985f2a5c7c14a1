"""The main job from the export to the published release, the gate against one hand-written pass, an increment."""

from __future__ import annotations

import time
from collections.abc import Callable

from huiyang.database import Login, connect
from huiyang.settings import Settings

PERIOD = "2026-10"
Part = tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _count(settings: Settings, table: str) -> int:
    with connect(Login.LOADER, settings) as connection:
        return connection.execute(f"select count(*) from {table}").fetchone()[0]  # type: ignore[index]


def measure(settings: Settings) -> list[Part]:
    """Sections on the main job and on the gate."""
    from expectations.benchmark import measure as measure_gate
    from huiyang.platform import dagster_home
    from migration.load import run_migration
    from migration.sample import write_export
    from pipelines.run import refresh

    dagster_home.prepare(settings)
    export = settings.legacy_export_dir
    steps = [
        ("legacy export", _seconds(lambda: write_export(export, settings.scale, settings.seed, None))),
        ("migration into the app", _seconds(lambda: run_migration(settings, export, None))),
        ("first refresh: 36 months, gate, release", _seconds(lambda: refresh(settings, PERIOD))),
        ("refresh with nothing changed", _seconds(lambda: refresh(settings, PERIOD))),
    ]
    with connect(Login.LOADER, settings) as loader:
        loader.execute(
            "update elders.elder set ethnicity = coalesce(ethnicity, '汉族'), effective_at = now()"
            " where id in (select id from elders.elder order by id limit (select count(*) / 100 from elders.elder))"
        )
    steps.append(("refresh after 1 % of elders changed", _seconds(lambda: refresh(settings, PERIOD))))
    elders, orders = _count(settings, "elders.elder"), _count(settings, "home_service.service_order")
    vitals = _count(settings, "health.vital_sign")
    gate = measure_gate(settings)
    return [
        (
            "The main job",
            f"{elders:,} elders, {orders:,} orders, {vitals:,} vital signs, 36 months."
            " The increment's denominator is the first refresh.",
            ("step", "seconds"),
            [(name, f"{seconds:.1f}") for name, seconds in steps],
        ),
        (
            "Quality gate",
            f"{gate.rule_count} rules over {gate.record_count:,} records, the same for both. Target: at most twice one"
            " hand-written pass.\nFixed: over the same tables without a record. Great Expectations plans, bundles and"
            " reports each rule,\nhowever many records there are; as they grow, the ratio falls towards the last line.",
            ("path", "seconds", "of it fixed"),
            [
                (
                    "denominator: one hand-written pass",
                    f"{gate.hand_written_seconds:.2f}",
                    f"{gate.hand_written_fixed_seconds:.2f}",
                ),
                ("Great Expectations gate", f"{gate.gate_seconds:.2f}", f"{gate.gate_fixed_seconds:.2f}"),
                ("ratio", f"{gate.ratio:.2f}", ""),
                ("ratio of what grows with the records", f"{gate.ratio_without_fixed:.2f}", ""),
            ],
        ),
    ]
