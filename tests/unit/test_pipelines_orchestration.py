"""orchestration.yaml: what is right in it, and how a mistake is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period
from pipelines.orchestration import (
    ENVIRONMENT_VARIABLE,
    ORCHESTRATION_FILE,
    SCHEDULES,
    load_orchestration,
    orchestration_sha256,
)

Write = Callable[[str], Path]
TEXT = ORCHESTRATION_FILE.read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        path = tmp_path / "orchestration.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


def test_the_committed_file_is_right_in_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in ("demo", "production"):
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, environment)
        orchestration = load_orchestration()
        assert set(orchestration.environments[environment].schedules) == set(SCHEDULES)
        assert orchestration.first_period(Cadence.MONTHLY) == Period.parse("2023-11")
        assert orchestration.first_period(Cadence.HALF_YEARLY) == Period.parse("2023-H2")
    assert len(orchestration_sha256()) == 64


def test_thresholds_cannot_be_set_there(write: Write) -> None:
    text = TEXT + "acceptance:\n  error_rate: 0.05\n"
    with pytest.raises(HuiyangError) as raised:
        load_orchestration(write(text))
    assert raised.value.problem == f"orchestration.yaml, line {line_of(text, 'acceptance:')}: unknown key `acceptance`."


@pytest.mark.parametrize(
    ("before", "after", "problem", "remedy"),
    [
        ("releases_kept: 12", "releases_keept: 12", "unknown key `retention.releases_keept`", "releases_kept"),
        ("releases_kept: 12", "releases_kept: many", "Input should be a valid integer", "comment"),
        ("releases_kept: 12", "releases_kept: 0", "greater than or equal to 1 (given: 0)", "comment above"),
        ("    due_days: 10\n", "", "the key `cadences.monthly.due_days` is missing", "Add `due_days:`"),
        ("due_days: 10", "due_days: 3", "does not leave time after the 5 days", "larger than correction_days"),
        ('"2023-11"', '"2023-H2"', "`cadences.monthly.first_period` is '2023-H2'", '"2023-11"'),
        ('"2023-H2"', '"2023-13"', "`cadences.half_yearly.first_period` is '2023-13'", '"2023-H2"'),
        ('cron: "30 1 * * *", enabled: false', 'cron: "30 25 * * *", enabled: false', "cron expression of five", ""),
        ('cron: "30 1 * * *", enabled: false', 'cron: "daily", enabled: false', "(given: 'daily')", "comment"),
        ("enabled: true}", "enabled: perhaps}", "valid boolean", "comment"),
        ("  monthly:\n", "  weekly:\n", "`cadences.weekly`", "comment"),
        ("  - auditor\n  - auditor2\n", "  []\n", "`reviewers`: List should have at least 1 item", "comment"),
        ("reviewers:", "reviewers: [a]\nreviewers:", "the key `reviewers` stands twice", "Remove one"),
        ("retention:\n", "retention:\n\t x: 1\n", "line", "lines around it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_remedy(
    write: Write, before: str, after: str, problem: str, remedy: str
) -> None:
    assert before in TEXT
    with pytest.raises(HuiyangError) as raised:
        load_orchestration(write(TEXT.replace(before, after, 1)))
    assert problem in raised.value.problem
    assert "orchestration.yaml, line " in raised.value.problem
    assert remedy in raised.value.remedy


def test_the_line_is_that_of_the_mistake(write: Write) -> None:
    text = TEXT.replace("event_log_days: 90", "event_log_days: 1")
    with pytest.raises(HuiyangError, match=f"line {line_of(text, 'event_log_days')}:"):
        load_orchestration(write(text))


def test_an_undeclared_schedule_or_environment_is_an_error(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = TEXT.splitlines(keepends=True)
    without = "".join(line for line in lines if "event_log_pruning" not in line)
    with pytest.raises(HuiyangError, match="environment `demo` does not declare the schedule `event_log_pruning`"):
        load_orchestration(write(without))
    with pytest.raises(HuiyangError, match="unknown key `hourly`"):
        load_orchestration(write(TEXT.replace("daily_provisional: {", "hourly: {cron: '0 * * * *', enabled: true}\n      daily_provisional: {", 1)))  # fmt: skip  # noqa: E501
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "staging")
    with pytest.raises(HuiyangError, match="environment `staging`") as raised:
        load_orchestration()
    assert "demo, production" in raised.value.remedy


def test_unreadable_files_are_told(tmp_path: Path, write: Write) -> None:
    with pytest.raises(HuiyangError, match="cannot be read"):
        load_orchestration(tmp_path / "missing.yaml")
    with pytest.raises(HuiyangError, match="empty"):
        load_orchestration(write("# nothing\n"))
    (tmp_path / "gb.yaml").write_bytes("# 编排".encode("gb18030"))
    with pytest.raises(HuiyangError, match="cannot be read"):
        load_orchestration(tmp_path / "gb.yaml")
