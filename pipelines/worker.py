"""Does what people ask of the pipelines in the app (期次管理): one task after the other, each in a process of its own.

The app writes tasks into `periods.task`; this takes them up as the login inbox, tells how far they are, and how they
ended, in Chinese. A killed worker begins its task again when it comes back: refreshing, publishing and rolling back
leave what is published untouched until they are through.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from expectations.catalogue import catalogues
from expectations.deliver import tell_catalogue
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.periods import Cadence
from huiyang.server import end_with_parent
from huiyang.settings import PROJECT_ROOT, Settings, get_settings
from pipelines import release
from pipelines.orchestration import load_orchestration
from pipelines.run import refresh
from pipelines.warehouse import RefreshRunning

logger = logging.getLogger(__name__)
APPLICATION = "huiyang-period-worker"
#: How long a task waits to be seen, at most; people wait for it to begin.
_LOOK_SECONDS = 2
_BUSY_SECONDS = 15
_TELL_SECONDS = 1
#: How often a task is begun before it counts as failed.
MOST_ATTEMPTS = 3

#: What a step of a refresh is called by its first words.
_STEPS = {
    "extract": "抽取数据",
    "dbt": "计算指标",
    "quality gate": "质量检查",
    "acceptance report": "生成验收报告",
    "publication": "发布",
}
_UNKNOWN_FAILURE = "没有完成，已发布的数据不变。请把任务编号告诉系统管理员，原因在服务器日志里。"


@dataclass(frozen=True)
class Task:
    """A row of `periods.task` that is being done."""

    id: int
    kind: str
    period: str
    lane: str | None
    release_id: int | None
    reason: str
    username: str


def step_label(what: str) -> str:
    """The Chinese name of a step of a refresh."""
    return next((label for start, label in _STEPS.items() if what.startswith(start)), "")


def tell_plans(settings: Settings) -> None:
    """Tells the app the rhythm of each cadence, who may sign, how long fix tasks may take, and the rules in force."""
    orchestration = load_orchestration()
    with connect(Login.INBOX, settings) as connection:
        for catalogue in catalogues():
            tell_catalogue(connection, catalogue)
        for cadence in Cadence:
            rules = orchestration.cadences[cadence]
            connection.execute(
                "insert into inbox.cadence_plan (cadence, first_period, correction_days, due_days, reviewers)"
                " values (%s, %s, %s, %s, %s) on conflict (cadence) do update set first_period = excluded.first_period,"
                " correction_days = excluded.correction_days, due_days = excluded.due_days,"
                " reviewers = excluded.reviewers",
                [cadence, rules.first_period, rules.correction_days, rules.due_days, list(orchestration.reviewers)],
            )
        for severity, plan in orchestration.fix_tasks:
            connection.execute(
                "insert into inbox.fix_plan (severity, due_days, escalate_days) values (%s, %s, %s)"
                " on conflict (severity) do update set due_days = excluded.due_days,"
                " escalate_days = excluded.escalate_days",
                [severity, plan.due_days, plan.escalate_days],
            )


def begin_again(settings: Settings) -> int:
    """Puts what a killed worker left back into the queue; what keeps dying has failed. Returns how many there were."""
    with connect(Login.INBOX, settings) as connection:
        left = connection.execute(
            "update periods.task set state = case when attempts < %(most)s then 'waiting' else 'failed' end,"
            " ended_at = case when attempts < %(most)s then null else clock_timestamp() end,"
            " message = case when attempts < %(most)s then '' else %(message)s end, step = '', fraction = 0"
            " where state = 'running'",
            {"most": MOST_ATTEMPTS, "message": _UNKNOWN_FAILURE},
        )
    return left.rowcount


def claim(connection: psycopg.Connection) -> Task | None:
    """The next task, now running; None if there is none.

    Args:
        connection: as login inbox.
    """
    row = connection.execute(
        "update periods.task set state = 'running', attempts = attempts + 1, started_at = clock_timestamp(),"
        " step = '', fraction = 0, message = '' where id = (select id from periods.task where state = 'waiting'"
        " order by id limit 1 for update skip locked)"
        " returning id, kind, period, lane, release_id, reason, username"
    ).fetchone()
    return Task(*row) if row else None


def _task(settings: Settings, key: int) -> Task:
    with connect(Login.INBOX, settings) as connection:
        row = connection.execute(
            "select id, kind, period, lane, release_id, reason, username from periods.task where id = %s", [key]
        ).fetchone()
    assert row is not None
    return Task(*row)


def _tell(settings: Settings, key: int, step: str, fraction: float) -> None:
    with connect(Login.INBOX, settings) as connection:
        connection.execute(
            "update periods.task set step = %s, fraction = greatest(fraction, least(%s, 1)) where id = %s",
            [step, fraction, key],
        )


def _end(settings: Settings, key: int, state: str, message: str, release_id: int | None = None) -> None:
    with connect(Login.INBOX, settings) as connection:
        connection.execute(
            "update periods.task set state = %s, message = %s, release_id = coalesce(%s, release_id),"
            " ended_at = clock_timestamp(), fraction = case when %s = 'done' then 1 else fraction end"
            " where id = %s and state = 'running'",
            [state, message, release_id, state, key],
        )
        connection.execute(
            "insert into workbench.notification (account_id, kind, title, address, key)"
            " select requested_by, 'request_result', %s, '/periods/' || period, 'task-' || id from periods.task"
            " where id = %s on conflict do nothing",
            [message.split("，")[0].rstrip("。"), key],
        )


def do(settings: Settings, key: int) -> None:
    """Does one running task to its end, and says how it ended; waits while the pipelines are busy with another."""
    task = _task(settings, key)
    while True:
        try:
            _end(settings, key, "done", *_ACTS[task.kind](settings, task))
        except RefreshRunning:
            _tell(settings, key, "等待另一次刷新或发布结束", 0)
            time.sleep(_BUSY_SECONDS)
            continue
        except HuiyangError as error:
            logger.error("task %s: %s %s", key, error.problem, error.remedy)
            _end(settings, key, "failed", _failure(task, error))
        except Exception:
            logger.exception("task %s", key)
            _end(settings, key, "failed", _failure(task))
        return


def _refresh(settings: Settings, task: Task) -> tuple[str, int]:
    assert task.lane is not None
    told = 0.0

    def tell(what: str, done: float, total: float = 1, /) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS and (step := step_label(what)):
            told = time.monotonic()
            _tell(settings, task.id, step, done / total if total else 0)

    summary = refresh(settings, task.period, task.lane, progress=tell, actor=task.username)
    found = release.get_release(settings, summary.release_id)
    verdict = "数值达标" if found.accepted_by_figures else "数值未达标"
    what = "快报已发布" if summary.state == release.State.PUBLISHED else "正式版候选已生成"
    return f"{task.period} {what}（第 {summary.release_id} 版），{verdict}。", summary.release_id


def _publish(settings: Settings, task: Task) -> tuple[str, int]:
    assert task.release_id is not None
    release.publish(settings, task.release_id, task.username)
    return f"{task.period} 正式版（第 {task.release_id} 版）已发布。", task.release_id


def _roll_back(settings: Settings, task: Task) -> tuple[str, int]:
    assert task.release_id is not None
    release.rollback(settings, task.release_id, task.reason, task.username)
    return f"已回退到第 {task.release_id} 版。", task.release_id


_ACTS: dict[str, Callable[[Settings, Task], tuple[str, int]]] = {
    "refresh": _refresh, "publish": _publish, "roll_back": _roll_back,
}  # fmt: skip


def _failure(task: Task, error: HuiyangError | None = None) -> str:
    if isinstance(error, release.NotPublishable):
        return (
            f"{task.period} 的结果不可发布（第 {error.release.release_id} 版），有 {error.release.critical_violations}"
            " 条记录违反严重规则；"
            "已发布的数据不变，请按数据质量页整改后重新刷新。"
        )
    return f"{task.period} 的任务 {task.id} {_UNKNOWN_FAILURE}"


def is_at_work(settings: Settings) -> bool:
    """Whether a worker is connected to the app's database. Never raises."""
    try:
        with connect(Login.INBOX, settings, connect_timeout=3) as connection:
            row = connection.execute(
                "select 1 from pg_stat_activity where application_name = %s limit 1", [APPLICATION]
            ).fetchone()
    except psycopg.Error:
        return False
    return row is not None


def work(settings: Settings) -> None:
    """Takes tasks up until it is ended. Each is done in a process of its own, which dies with this one."""
    with connect(Login.INBOX, settings, autocommit=True, application_name=APPLICATION) as connection:
        connection.execute("select pg_advisory_lock(hashtext(%s))", [APPLICATION])  # there is one worker
        tell_plans(settings)
        if left := begin_again(settings):
            logger.warning("%s tasks of a killed worker", left)
        while True:
            task = claim(connection)  # a lost connection has lost the lock: this ends, and is started again
            if task is None:
                time.sleep(_LOOK_SECONDS)
                continue
            subprocess.run([sys.executable, "-m", "pipelines.worker", str(task.id)], cwd=PROJECT_ROOT, check=False)
            begin_again(settings)  # if it was killed


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = get_settings()
    if len(sys.argv) == 1:
        work(settings)
        return
    end_with_parent(signal.SIGKILL)
    do(settings, int(sys.argv[1]))


if __name__ == "__main__":
    main()
