"""The steps of `huiyang up`, in order: from an empty home folder to a serving installation.

A step that is done and whose inputs have not changed is skipped; a killed run is resumed by the next. Rooms are
imported inside their step: the command line stays fast, and a broken room stops its own step only.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from huiyang import server
from huiyang.errors import HuiyangError
from huiyang.periods import Period
from huiyang.platform import dagster_home, front_door, installation
from huiyang.platform.display import Display
from huiyang.platform.installation import Journal
from huiyang.platform.ports import check_ports
from huiyang.platform.processes import SUPERSET_BIN, processes, superset_variables
from huiyang.platform.supervision import Supervisor, log_file, tail
from huiyang.progress import Progress
from huiyang.secret_store import ensure_secrets
from huiyang.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from operational_app.accounts import DemoAccount

#: The last complete month of the sample's 36 months of history.
SAMPLE_PERIOD = "2026-10"
_SERVED_ROOMS = ("huiyang", "operational_app", "pipelines", "expectations", "cockpits", "dbt_project", "requirements")
_SOURCE_SUFFIXES = {".py", ".sql", ".yml", ".yaml", ".csv", ".html", ".js", ".css", ".json", ".txt"}


@dataclass(frozen=True)
class Step:
    """One step of set-up.

    Attributes:
        inputs: what its result depends on; while that is as it was when the step finished, the step is skipped.
            None: it is quick and safe to repeat, and always runs.
    """

    name: str
    title: str
    action: Callable[[Progress], object]
    inputs: tuple[str, ...] | None = None


@dataclass
class Result:
    """What `up` tells its user."""

    settings: Settings
    accounts: list[DemoAccount] = field(default_factory=list)


def sources_fingerprint(*names: str) -> str:
    """SHA-256 over the names and contents of the source files in these folders of the checkout."""
    digest = hashlib.sha256()
    for name in names:
        root = PROJECT_ROOT / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            parts = path.relative_to(PROJECT_ROOT).parts
            if path.suffix in _SOURCE_SUFFIXES and path.is_file() and not {"node_modules", "target"} & set(parts):
                digest.update("/".join(parts).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run_cockpits(settings: Settings, arguments: list[str], log: Path | None = None) -> int:
    """Runs `python -m cockpits …` in Superset's environment.

    Args:
        log: where its output goes; None: this terminal.

    Returns:
        Its exit status.
    """
    variables = os.environ | installation.environment(settings) | superset_variables(settings)
    command = [str(SUPERSET_BIN / "python"), "-m", "cockpits", *arguments]
    if log is None:
        return subprocess.run(command, cwd=PROJECT_ROOT, env=variables).returncode
    with log.open("ab") as output:
        return subprocess.run(
            command, cwd=PROJECT_ROOT, env=variables, stdout=output, stderr=output, preexec_fn=server.end_with_parent
        ).returncode


class Setup:
    """One run of `huiyang up`."""

    def __init__(self, settings: Settings, display: Display) -> None:
        self._settings = settings
        self._display = display
        self._journal = Journal(settings)
        self._supervisor = Supervisor(settings)
        self._sources = sources_fingerprint(*_SERVED_ROOMS)
        self._result = Result(settings)

    def run(self) -> Result:
        """
        Raises:
            HuiyangError: a step failed; what earlier steps made is kept.
        """
        installation.ensure_writable(self._settings)
        installation.ensure_space(self._settings)
        check_ports(self._settings)
        self._run([Step("server", "PostgreSQL, databases and logins", self._start_server)])
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Superset's own set-up is independent of the data and takes as long: two cores, two tracks.
            cockpits = pool.submit(self._run, self._cockpit_steps())
            self._run(self._data_steps())
            cockpits.result()
        self._run([Step("serve", "app, cockpits, pipelines, front door", self._serve)])
        return self._result

    def _run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            inputs = None
            if step.inputs is not None:
                inputs = hashlib.sha256("\0".join(step.inputs).encode()).hexdigest()
                if self._journal.is_done(step.name, inputs):
                    self._display.skip(step.title)
                    continue
            started = time.monotonic()
            with self._display.step(step.title) as progress:
                step.action(progress)
            if inputs:
                self._journal.record(step.name, inputs, time.monotonic() - started)

    def _start_server(self, progress: Progress) -> None:
        ensure_secrets(self._settings.secrets_file)
        if not self._settings.postgres_admin_url:
            server.initialise(self._settings)
        installation.record_installation(self._settings)
        dagster_home.prepare(self._settings)
        front_door.write_configuration(self._settings)
        self._supervisor.ensure_running()
        if self._settings.postgres_admin_url:
            server.wait_until_ready(self._settings, timeout=5)
        else:
            self._supervisor.start("postgres")
            self._supervisor.wait_until_healthy("postgres")
        server.ensure_databases(self._settings)
        if not self._journal.is_done("serving", self._sources):
            self._stop_outdated()

    def _stop_outdated(self) -> None:
        """Processes that were started from other sources end before the schema changes under them."""
        for process in reversed(processes(self._settings)):
            if process.name != "postgres":
                self._supervisor.stop(process.name)

    def _data_steps(self) -> list[Step]:
        settings = self._settings
        # A new server has none of what was recorded for the old one.
        data = (server.system_identifier(settings), settings.scale.value, str(settings.seed))
        rules = sources_fingerprint("dbt_project", "expectations", "pipelines", "orchestration.yaml")
        schema = Step("schema", "operational schema and reference data", self._migrate_schema)
        accounts = Step("accounts", "demo accounts", self._make_accounts)
        if not settings.demo:  # real data comes by `huiyang migrate` and `huiyang refresh`
            return [schema, accounts]
        return [
            schema,
            Step("sample", f"legacy export ({settings.scale})", self._write_sample, data),
            Step("migrate", "migration of the legacy export", self._migrate_sample, data),
            accounts,
            Step("refresh", f"refresh of {SAMPLE_PERIOD}", self._refresh, (*data, rules)),
        ]

    def _migrate_schema(self, progress: Progress) -> None:
        from operational_app import reference_data
        from operational_app.schema import migrate_to_head

        migrate_to_head(self._settings)
        reference_data.load(self._settings)

    def _make_accounts(self, progress: Progress) -> None:
        from operational_app.accounts import ensure_demo_accounts
        from operational_app.demo import ensure_demo_records

        self._result.accounts = ensure_demo_accounts(self._settings)
        ensure_demo_records(self._settings)

    def _write_sample(self, progress: Progress) -> None:
        from migration.sample import write_export

        settings = self._settings
        write_export(settings.legacy_export_dir, settings.scale, settings.seed, progress)

    def _migrate_sample(self, progress: Progress) -> None:
        from migration.load import run_migration

        run_migration(self._settings, self._settings.legacy_export_dir, progress)

    def _refresh(self, progress: Progress) -> None:
        refresh_sample(self._settings, progress)

    def _cockpit_steps(self) -> list[Step]:
        sources = sources_fingerprint("cockpits", "dbt_project/models/marts", "requirements/superset.txt")
        return [
            Step(
                "cockpits", "cockpits in Superset", self._apply_cockpits,
                (server.system_identifier(self._settings), sources, str(self._settings.front_door_port)),
            ),
            # They take longest to load; what they show may come later.
            Step("early", "loading Superset and Dagster", self._start_early),
        ]  # fmt: skip

    def _start_early(self, progress: Progress) -> None:
        for name in ("superset", "dagster-code"):
            self._supervisor.start(name)

    def _apply_cockpits(self, progress: Progress) -> None:
        log = log_file(self._settings, "cockpits-apply")
        if run_cockpits(self._settings, ["apply"], log):
            raise HuiyangError(f"The cockpits were not applied:\n{tail(log, 12)}", f"See {log}.")

    def _serve(self, progress: Progress) -> None:
        served = [process for process in processes(self._settings) if process.name != "postgres"]
        for process in served:
            if process.needs:
                self._supervisor.wait_until_healthy(process.needs)
            self._supervisor.start(process.name)
        for done, process in enumerate(served):
            progress(process.title, done, len(served))
            self._supervisor.wait_until_healthy(process.name)
        self._journal.record("serving", self._sources, 0)


def refresh_sample(settings: Settings, progress: Progress) -> None:
    """Brings the sample's last period up to date, unless people have signed it: a correction is theirs, too."""
    from pipelines.release import has_official
    from pipelines.run import refresh
    from pipelines.warehouse import ensure_warehouse

    ensure_warehouse(settings)
    if not has_official(settings, Period.parse(SAMPLE_PERIOD)):
        refresh(settings, SAMPLE_PERIOD, progress=progress)
