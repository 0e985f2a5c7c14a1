"""The command line itself: its verbs, their help, how errors reach a person."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from huiyang.cli import app

VERBS = [
    ["up"], ["down"], ["status"], ["logs"], ["sample"], ["migrate"], ["refresh"], ["doctor"], ["bench"],
    ["release", "list"], ["release", "publish"], ["release", "rollback"],
    *(["cockpits", verb] for verb in ("validate", "apply", "diff", "prune", "export")),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help(verb: list[str]) -> None:
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_wrong_verb_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["upp"]).exit_code == 2


def test_help_imports_no_room() -> None:
    """What keeps `huiyang --help` fast."""
    program = (
        "import sys, huiyang.cli\n"
        "heavy = {'operational_app', 'migration', 'pipelines', 'dagster', 'sqlalchemy', 'pandas', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
