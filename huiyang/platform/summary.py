"""What the command line prints about an installation: addresses, states, releases, logs."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from huiyang.errors import HuiyangError
from huiyang.platform import front_door
from huiyang.platform.setup import Result
from huiyang.platform.supervision import Supervisor, tail
from huiyang.settings import BUSINESS_TIMEZONE, COCKPIT_PATH, DAGSTER_PATH, Settings

if TYPE_CHECKING:
    from migration.load import MigrationSummary
    from operational_app.audit.verification import Report

NOT_ALL_WELL = 3


def print_summary(result: Result, console: Console) -> None:
    """Addresses, the authority's certificate and the demo accounts, at the end of `up`."""
    settings = result.settings
    base = front_door.address(settings)
    addresses = Table("where", "address", title="Serving", title_justify="left")
    for title, path in (("operational app", "/"), ("cockpits", f"{COCKPIT_PATH}/"), ("pipelines", f"{DAGSTER_PATH}/")):
        addresses.add_row(title, f"{base}{path}")
    others = [name for name in front_door.names(settings) if name not in ("localhost", "127.0.0.1", "::1")]
    console.print(addresses)
    if others:
        hosts = ", ".join(f"[{name}]" if ":" in name else name for name in others)
        console.print(f"Other machines use {hosts} instead of localhost.", highlight=False, markup=False)
    console.print(
        f"Browsers and phones must trust this authority's certificate: {front_door.authority_file(settings)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    accounts = Table("user", "password", "role", "sees", title="Demo accounts", title_justify="left")
    for account in result.accounts:
        accounts.add_row(account.username, account.password, account.role_label, account.scope_label)
    if result.accounts:
        console.print(accounts)


def print_verification(report: Report, console: Console) -> int:
    """
    Returns:
        0 if the audit trail is whole, else NOT_ALL_WELL.
    """
    for finding in report.findings:
        console.print(f"[red]FINDING[/] {finding}", highlight=False, soft_wrap=True)
    if report.finding_count > len(report.findings):
        console.print(f"… and {report.finding_count - len(report.findings)} more findings.", highlight=False)
    for note in report.notes:
        console.print(f"[yellow]known[/] {note}", highlight=False, soft_wrap=True)
    console.print(
        f"{report.events} events in {report.batches} batches, {report.pruned_batches} of them pruned;"
        f" {report.waiting} events waited for their seal. {report.finding_count} findings.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    return NOT_ALL_WELL if report.finding_count else 0


def print_status(settings: Settings, console: Console, *, as_json: bool) -> int:
    """
    Returns:
        0 if every process runs and answers, else NOT_ALL_WELL.
    """
    states = Supervisor(settings).states()
    well = all(state.healthy for state in states)
    if as_json:
        report: dict[str, Any] = {
            "home": str(settings.home),
            "scale": settings.scale.value,
            "address": front_door.address(settings),
            "well": well,
            "processes": [dataclasses.asdict(state) for state in states],
        }
        console.print_json(json.dumps(report))
        return 0 if well else NOT_ALL_WELL
    table = Table("process", "state", "answers", "since", "pid", "listens at")
    for state in states:
        since = datetime.fromtimestamp(state.since, BUSINESS_TIMEZONE).strftime("%m-%d %H:%M:%S") if state.since else ""
        colour = "green" if state.healthy else "red"
        answers = "yes" if state.healthy else "no"
        address = "Unix socket" if state.address.startswith("/") else state.address
        table.add_row(state.name, state.state, f"[{colour}]{answers}[/]", since, str(state.pid or ""), address)
    console.print(table)
    console.print(
        f"Installation {settings.home}, scale {settings.scale}, {front_door.address(settings)}", highlight=False
    )
    if not well:
        console.print("Not everything is well: `huiyang logs NAME` shows why, `huiyang up` starts what is missing.")
    return 0 if well else NOT_ALL_WELL


def print_releases(settings: Settings, console: Console) -> None:
    """All releases; missing: required values that are empty, errors: records that break a rule."""
    from pipelines.release import list_releases

    releases = list_releases(settings)
    if not releases:
        console.print("There is no release yet: `huiyang refresh --period 2026-10` makes one.")
        return
    columns = ("", "id", "period", "lane", "state", "accepted", "missing", "errors", "as of")
    table = Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for release in releases:
        table.add_row(
            "→" if release.is_current else "", str(release.release_id), release.period, release.lane, release.state,
            "yes" if release.accepted else "no",
            f"{release.completeness_denominator - release.completeness_numerator:,}", f"{release.error_numerator:,}",
            release.as_of.astimezone(BUSINESS_TIMEZONE).strftime("%m-%d %H:%M"),
        )  # fmt: skip
    console.print(table)


def print_migration(summary: MigrationSummary, console: Console) -> int:
    """
    Returns:
        0, or 1 if the reconciliation does not add up or a value differs.
    """
    if summary.already_done:
        console.print(f"This export was migrated before (run {summary.run_id}): nothing to do.", highlight=False)
        return 0
    console.print(summary.table())
    for path in summary.report_files:
        console.print(f"Report: {path}", highlight=False, soft_wrap=True)
    if not summary.is_complete:
        console.print("[bold red]The reconciliation does not add up[/]: the report names source and rows.")
    return 0 if summary.is_complete else 1


def print_logs(settings: Settings, console: Console, name: str | None, *, lines: int, follow: bool) -> None:
    """The ends of one log or of all.

    Raises:
        HuiyangError: there is no log of that name.
    """
    files = sorted(settings.log_dir.glob("*.log"))
    if name is not None:
        files = [path for path in files if path.stem == name]
        if not files:
            known = ", ".join(path.stem for path in sorted(settings.log_dir.glob("*.log"))) or "none yet"
            raise HuiyangError(f"There is no log {name!r}.", f"Known logs: {known}.", exit_code=2)
    for path in files:
        _print_part(console, path, tail(path, lines), many=len(files) > 1)
    if follow:
        _follow(console, files)


def _print_part(console: Console, path: Path, text: str, *, many: bool) -> None:
    if many and text:
        console.print(f"[bold]── {path.stem}[/]")
    if text:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _follow(console: Console, files: list[Path]) -> None:
    """Prints what is appended, over the supervisor's rotation, until it is interrupted."""
    positions = {path: path.stat().st_size for path in files}
    while True:
        for path, position in positions.items():
            size = path.stat().st_size if path.exists() else 0
            if size < position:  # rotated: a new file under the old name
                position = 0
            if size > position:
                with path.open("rb") as handle:
                    handle.seek(position)
                    _print_part(console, path, handle.read().decode(errors="replace").rstrip("\n"), many=len(files) > 1)
                    positions[path] = handle.tell()
            else:
                positions[path] = position
        time.sleep(0.5)
