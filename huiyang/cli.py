"""The command line: each verb calls plain functions of the rooms, imported when the verb runs.

Exit status: 0 done; 1 failed, with what is wrong and what to do; 2 wrong usage; 3 not everything runs (`status`) or
checks failed (`doctor`); 4 another command is at work; 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from huiyang import __version__
from huiyang.errors import HuiyangError

app = typer.Typer(
    name="huiyang",
    help="Sets up, runs and watches one installation. Its folder is HUIYANG_HOME (default: var/ in the checkout).",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
release_app = typer.Typer(help="What the cockpits show: list, publish, roll back.", no_args_is_help=True)
account_app = typer.Typer(
    help="Accounts at the machine itself: the first administrators, lost ways in.", no_args_is_help=True
)
audit_app = typer.Typer(help="The audit trail: check it, remove what is old enough.", no_args_is_help=True)
cockpits_app = typer.Typer(help="Superset's assets as code.", no_args_is_help=True)
app.add_typer(release_app, name="release")
app.add_typer(cockpits_app, name="cockpits")
app.add_typer(account_app, name="account")
app.add_typer(audit_app, name="audit")

output = Console()
errors = Console(stderr=True)

Period = Annotated[str, typer.Option(help="A month (2026-10) or a half-year (2026-H2).", show_default=True)]


def _version(wanted: bool) -> None:
    if wanted:
        output.print(f"huiyang {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


@app.command()
def up() -> None:
    """Set everything up, run the main job once, and serve. Safe to run again; resumes after a kill."""
    from huiyang.platform.display import Display
    from huiyang.platform.installation import exclusive, installed_settings
    from huiyang.platform.setup import Setup
    from huiyang.platform.summary import print_summary

    settings = installed_settings()
    with exclusive(settings, "up"):
        with Display(output) as display:
            result = Setup(settings, display).run()
        print_summary(result, output)


@app.command()
def down() -> None:
    """Stop every process; data stays. Does no harm where only some run, or none."""
    from huiyang.platform.installation import exclusive, installed_settings
    from huiyang.platform.supervision import Supervisor

    settings = installed_settings()
    if not settings.home.exists():
        output.print(f"There is no installation in {settings.home}.", highlight=False)
        return
    with exclusive(settings, "down"):
        Supervisor(settings).stop_all()
    output.print("Everything is stopped.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Show every process, whether it answers, and what is published. Exit status 3 unless all are well."""
    from huiyang.platform.installation import installed_settings
    from huiyang.platform.summary import print_status

    raise typer.Exit(print_status(installed_settings(), output, as_json=as_json))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="One process or log; all if left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow; end with Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines of each.")] = 20,
) -> None:
    """Show the ends of the logs."""
    from huiyang.platform.installation import installed_settings
    from huiyang.platform.summary import print_logs

    print_logs(installed_settings(), output, name, lines=lines, follow=follow)


@app.command()
def sample(
    directory: Annotated[Path | None, typer.Option("--to", help="Folder; default: the installation's own.")] = None,
) -> None:
    """Write a legacy export in the old platform's shapes, at HUIYANG_SCALE and HUIYANG_SEED."""
    from huiyang.platform.display import Display
    from huiyang.platform.installation import ensure_space, ensure_writable, installed_settings
    from migration.sample import write_export

    settings = installed_settings()
    ensure_writable(settings)
    ensure_space(settings)
    target = directory or settings.legacy_export_dir
    with Display(output) as display, display.step(f"legacy export ({settings.scale})") as progress:
        write_export(target, settings.scale, settings.seed, progress)
    output.print(f"Written to {target}", highlight=False)


@app.command()
def migrate(
    directory: Annotated[
        Path | None, typer.Option("--from", help="Folder of the export; default: the sample's.")
    ] = None,
) -> None:
    """Load a legacy export: every row is loaded, merged or quarantined with its reason."""
    from huiyang.platform.display import Display
    from huiyang.platform.installation import exclusive, installed_settings, note_real_data
    from huiyang.platform.summary import print_migration
    from migration.load import run_migration

    settings = installed_settings()
    with exclusive(settings, "migrate"), Display(output) as display, display.step("migration") as progress:
        if directory and directory.resolve() != settings.legacy_export_dir.resolve():
            note_real_data(settings)
        summary = run_migration(settings, directory or settings.legacy_export_dir, progress)
    raise typer.Exit(print_migration(summary, output))


@app.command()
def refresh(
    period: Period,
    lane: Annotated[str, typer.Option(help="provisional or official.")] = "provisional",
) -> None:
    """Bring a period up to date: extract, build, judge, release. What is published stays until the new one is whole."""
    from huiyang.platform.display import Display
    from huiyang.platform.installation import exclusive, installed_settings
    from pipelines.run import refresh as run_refresh

    settings = installed_settings()
    with exclusive(settings, "refresh"), Display(output) as display, display.step(f"refresh of {period}") as progress:
        summary = run_refresh(settings, period, lane, progress)
    output.print(str(summary), highlight=False, soft_wrap=True)


@account_app.command("create")
def account_create(
    username: Annotated[str, typer.Argument(help="What the person signs in with.")],
    name: Annotated[str, typer.Option(help="The person's real name.")],
    role: Annotated[str, typer.Option(help="A built-in role, e.g. system_administrator.")],
) -> None:
    """Make an account with one role and print its one-time password."""
    from huiyang.platform.installation import installed_settings
    from operational_app.accounts import create_account

    password = create_account(installed_settings(), username, name, role)
    output.print(f"One-time password of {username}: {password}", highlight=False)


@account_app.command("reset")
def account_reset(username: Annotated[str, typer.Argument(help="Whose way in is lost.")]) -> None:
    """Print a new one-time password; ends the person's sessions, opens a lock, unbinds the second factor."""
    from huiyang.platform.installation import installed_settings
    from operational_app.accounts import reset_account

    output.print(f"One-time password of {username}: {reset_account(installed_settings(), username)}", highlight=False)


@audit_app.command("verify")
def audit_verify() -> None:
    """Hold events, seals and the second medium against each other. Exit status 3 if something was tampered with."""
    from huiyang.platform.installation import installed_settings
    from huiyang.platform.summary import print_verification
    from operational_app.audit.verification import verify_and_record

    raise typer.Exit(print_verification(verify_and_record(installed_settings()), output))


@audit_app.command("explain")
def audit_explain(
    first: Annotated[int, typer.Argument(min=1, help="The first batch that is gone.")],
    last: Annotated[int, typer.Argument(min=1, help="The last one.")],
    reason: Annotated[str, typer.Option(help="Why, e.g. which backup was restored. Recorded; no personal data.")],
) -> None:
    """Say why batches are gone from the database or heads from the second medium; `verify` then tells them as known."""
    from huiyang.platform.installation import installed_settings
    from operational_app.audit.verification import explain

    explain(installed_settings(), first, last, reason)
    output.print("Recorded. It counts once it is sealed, in a few seconds.")


@audit_app.command("prune")
def audit_prune(
    months: Annotated[int, typer.Option(help="Keep this many months; six at least.")] = 6,
) -> None:
    """Remove the events of whole batches that are older; their heads stay. Refuses where `verify` has findings."""
    from huiyang.platform.display import Display
    from huiyang.platform.installation import exclusive, installed_settings
    from operational_app.audit.retention import prune

    settings = installed_settings()
    with exclusive(settings, "audit prune"), Display(output) as display, display.step("audit prune"):
        pruned = prune(settings, months)
    output.print(f"{pruned.events} events of {pruned.batches} batches removed.", highlight=False)


@release_app.command("list")
def release_list() -> None:
    """All releases, newest first; the published one is marked."""
    from huiyang.platform.installation import installed_settings
    from huiyang.platform.summary import print_releases

    print_releases(installed_settings(), output)


@release_app.command("publish")
def release_publish(
    release_id: Annotated[int, typer.Argument(help="As `release list` shows it.")],
    reviewer: Annotated[str, typer.Option(help="Who reviewed and signs; named in orchestration.yaml.")],
) -> None:
    """Publish a reviewed candidate."""
    from huiyang.platform.installation import exclusive, installed_settings
    from pipelines.release import publish

    settings = installed_settings()
    with exclusive(settings, "release publish"):
        publish(settings, release_id, reviewer)
    output.print(f"Release {release_id} is published.")


@release_app.command("rollback")
def release_rollback(
    release_id: Annotated[int, typer.Argument(help="The release to return to.")],
    reason: Annotated[str, typer.Option(help="Recorded with the rollback.")],
) -> None:
    """Show an earlier release again."""
    from huiyang.platform.installation import exclusive, installed_settings
    from pipelines.release import rollback

    settings = installed_settings()
    with exclusive(settings, "release rollback"):
        shown = rollback(settings, release_id, reason)
    output.print(f"Release {release_id} is shown again, as release {shown.release_id}.")


def _cockpit_verb(verb: str, description: str) -> None:
    @cockpits_app.command(
        verb, help=description, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )
    def run(context: typer.Context) -> None:
        from huiyang.platform.installation import installed_settings
        from huiyang.platform.setup import run_cockpits

        raise typer.Exit(run_cockpits(installed_settings(), [verb, *context.args]))


for _verb, _description in {
    "validate": "Check the chain dashboard, chart, dataset, mart, column; needs no server.",
    "apply": "Bring Superset to what the files say.",
    "diff": "Show what `apply` would change.",
    "prune": "Remove from Superset what the files no longer hold.",
    "export": "Write what was changed in Superset's pages back to files.",
}.items():
    _cockpit_verb(_verb, _description)


@app.command()
def doctor() -> None:
    """Check this machine and this installation, with a remedy for each finding. Exit status 3 if one is an error."""
    from huiyang.platform.doctor import run_doctor
    from huiyang.platform.installation import installed_settings

    raise typer.Exit(run_doctor(installed_settings(), output))


@app.command()
def bench() -> None:
    """Measure extraction, gate and refresh beside their denominators; writes docs/benchmarks.md.

    It makes an installation of its own; let nothing else run meanwhile. The pages' answer times
    (docs/benchmarks-pages.md) are measured on a running installation: python -m tests.benchmarks.pages
    """
    import subprocess

    from huiyang.platform.installation import installed_settings
    from huiyang.settings import PROJECT_ROOT

    installed_settings()
    raise typer.Exit(subprocess.run([sys.executable, "-m", "tests.benchmarks"], cwd=PROJECT_ROOT).returncode)


def main() -> NoReturn:
    """The console script: runs a verb and prints expected errors without a traceback."""
    try:
        app()
    except HuiyangError as error:
        _fail(error)
    except Exception as error:
        from huiyang.platform.installation import explained

        if (known := explained(error)) is None:
            raise
        _fail(known)
    sys.exit(0)


def _fail(error: HuiyangError) -> NoReturn:
    errors.print(f"[bold red]Error:[/] {error.problem}", highlight=False, soft_wrap=True)
    if error.remedy:
        errors.print(f"[bold]What to do:[/] {error.remedy}", highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)
