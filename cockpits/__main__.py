"""`python -m cockpits`: validate | setup | apply | diff | prune | export."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from huiyang.errors import HuiyangError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cockpits() -> None:
    """Superset's assets as code."""


@cockpits.command()
def validate() -> None:
    """Check every definition offline: dashboard, chart, dataset, published column. Exit status 1 if one is broken."""
    from cockpits.language import overlay_problems
    from cockpits.validate import validate as find_problems

    problems = [*find_problems(), *overlay_problems()]
    _print(problems)
    if problems:
        click.echo(f"{len(problems)} problem(s).", err=True)
        sys.exit(1)
    click.echo("The definitions are valid.")


@cockpits.command()
def setup() -> None:
    """Bring Superset's database, permissions and roles up to date. Quick where they are."""
    from cockpits.application import application, set_up

    with application():
        _print(set_up() or ["Superset is up to date."])


@cockpits.command()
def apply() -> None:
    """Set up Superset, and make it exactly what the definitions say. Safe to run again."""
    from cockpits.application import application, set_up
    from cockpits.apply import apply as apply_definitions
    from cockpits.apply import valid_documents

    wanted = valid_documents()  # before Superset starts, which takes longer
    with application():
        _print(set_up())
        _print(apply_definitions(wanted) or ["Superset is what the definitions say."])


@cockpits.command()
def diff() -> None:
    """Show where the running Superset differs from the definitions. Exit status 1 if it does."""
    from cockpits.application import application
    from cockpits.apply import compare, valid_documents
    from cockpits.drift import report

    wanted = valid_documents()
    with application():
        drift, live = compare(wanted)
    _print(report(drift, wanted, live) or ["Superset is what the definitions say."])
    if drift.to_apply or drift.retired:
        sys.exit(1)


@cockpits.command()
def prune() -> None:
    """Delete from Superset what was ours and is no longer defined."""
    from cockpits.application import application
    from cockpits.apply import prune as prune_assets
    from cockpits.apply import valid_documents

    wanted = valid_documents()
    with application():
        _print([f"deleted {title}" for title in prune_assets(wanted)] or ["There is nothing to delete."])


@cockpits.command()
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=None, help="Default: cockpits/assets."
)
def export(folder: Path | None) -> None:
    """Write what was changed in the browser back into the definitions."""
    from cockpits.application import application
    from cockpits.export import export as export_changes

    with application():
        _print(export_changes(folder) or ["Nothing was changed in the browser."])


def _print(lines: Iterable[object]) -> None:
    for line in lines:
        click.echo(line)


def main() -> None:
    os.environ.setdefault("FLASK_SKIP_DOTENV", "1")
    try:
        cockpits(prog_name="huiyang cockpits")
    except HuiyangError as error:
        click.echo(f"{error.problem}\n{error.remedy}".strip(), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
