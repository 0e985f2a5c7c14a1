"""`make features`: the rows of docs/features.csv, each with the tests that prove it."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

FEATURES = Path(__file__).resolve().parent.parent / "docs" / "features.csv"


class FeatureCollector:
    """A pytest plugin that notes which test carries which feature number."""

    def __init__(self) -> None:
        self.tests: dict[int, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for marker in item.iter_markers("feature"):
                for number in marker.args:
                    self.tests[number].append(item.nodeid)


def collect() -> dict[int, list[str]]:
    """Feature number -> ids of the tests that carry it.

    Raises:
        SystemExit: the tests cannot be collected, or one names a feature that does not exist.
    """
    collector = FeatureCollector()
    code = pytest.main(["--collect-only", "-qqq"], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"The tests cannot be collected (exit status {code}): run pytest --collect-only.")
    unknown = sorted(set(collector.tests) - {int(row["no"]) for row in features()})
    if unknown:
        raise SystemExit(f"Tests name features that docs/features.csv does not have: {unknown}")
    return collector.tests


def features() -> list[dict[str, str]]:
    """The rows of the plan's function table: no, platform, module, function_1, function_2, description."""
    with FEATURES.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def main() -> int:
    tests = collect()
    rows = features()
    table = Table(title="docs/features.csv and the tests that prove it", show_lines=True)
    table.add_column("no", justify="right")
    for column in ("platform", "module", "function"):
        table.add_column(column, overflow="fold")
    table.add_column("tests", overflow="fold")
    for row in rows:
        function = " / ".join(filter(None, (row["function_1"], row["function_2"])))
        proofs = sorted({name.partition("[")[0] for name in tests.get(int(row["no"]), [])})
        table.add_row(row["no"], row["platform"], row["module"], function, "\n".join(proofs) or "—")
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    proven = sum(int(row["no"]) in tests for row in rows)
    Console().print(f"{proven} of {len(rows)} features are proven by tests.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
