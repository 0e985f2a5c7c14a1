"""`doctor` finds what it is there for, on a real server."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from huiyang import server
from huiyang.platform import doctor, installation
from huiyang.platform.doctor import Finding, Severity
from huiyang.settings import Settings


def problems(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.text for finding in findings if finding.severity is not Severity.OK}


def test_a_sound_installation_has_no_error(bare_server: Settings) -> None:
    findings = [finding for check in doctor.CHECKS for finding in check(bare_server)]
    assert [finding for finding in findings if finding.severity is Severity.ERROR] == []
    assert {"PostgreSQL", "logins", "locale", "clock", "secrets", "disk"} <= {finding.check for finding in findings}


def test_every_finding_but_a_good_one_has_a_remedy(bare_server: Settings) -> None:
    for check in doctor.CHECKS:
        assert all(finding.remedy for finding in check(bare_server) if finding.severity is not Severity.OK)


def test_a_login_that_became_superuser_is_an_error(new_server: Callable[[], Settings]) -> None:
    settings = new_server()
    with server.admin_connect(settings) as connection:
        connection.execute("alter role huiyang_app superuser")
    assert "huiyang_app" in problems(list(doctor.check_postgres(settings)))["logins"]
    server.ensure_databases(settings)
    assert problems(list(doctor.check_postgres(settings))) == {}


def test_a_login_above_row_level_security_is_an_error(new_server: Callable[[], Settings]) -> None:
    settings = new_server()
    with server.admin_connect(settings) as connection:
        connection.execute("alter role huiyang_cockpit bypassrls")
    assert "huiyang_cockpit" in problems(list(doctor.check_postgres(settings)))["logins"]


def test_no_server_is_an_error(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, postgres_admin_url=f"host={tmp_path} user=postgres dbname=postgres")
    assert "does not answer" in problems(list(doctor.check_postgres(settings)))["PostgreSQL"]


def test_secrets_that_others_may_read_are_an_error(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.secrets_file.write_text("{}")
    settings.secrets_file.chmod(0o640)
    assert "read by other users" in problems(list(doctor.check_secrets(settings)))["secrets"]


def test_a_taken_port_is_an_error(bare_server: Settings) -> None:
    with socket.create_server(("127.0.0.1", bare_server.superset_port)):
        assert str(os.getpid()) in problems(list(doctor.check_listening(bare_server)))["ports"]


def test_real_data_in_the_embedded_server_is_a_warning(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, postgres_admin_url=None)
    assert problems(list(doctor.check_real_data(settings))) == {}
    installation.note_real_data(settings)
    assert "data" in problems(list(doctor.check_real_data(settings)))
    given = settings.model_copy(update={"postgres_admin_url": "host=db"})
    assert problems(list(doctor.check_real_data(given))) == {}


def test_another_version_than_the_locked_one_is_an_error(tmp_path: Path) -> None:
    lock = tmp_path / "main.txt"
    lock.write_text(
        "psycopg==3.2.1 \\\n    --hash=sha256:abc\n"
        "pandas==3.1.0 ; python_version >= '3.11' \\\n    --hash=sha256:def\npandas==2.9.0 ; python_version < '3.11'\n"
    )
    assert doctor._compared("main", lock, {"psycopg": "3.2.1", "Pandas": "3.1.0"}).severity is Severity.OK
    wrong = doctor._compared("main", lock, {"psycopg": "3.3.0", "pandas": "3.1.0"})
    assert wrong.severity is Severity.ERROR
    assert "psycopg 3.3.0 instead of 3.2.1" in wrong.text


@pytest.mark.parametrize(("severity", "status"), [(Severity.ERROR, 3), (Severity.WARNING, 0), (Severity.OK, 0)])
def test_only_an_error_changes_the_exit_status(
    bare_server: Settings, monkeypatch: pytest.MonkeyPatch, severity: Severity, status: int
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", [lambda settings: iter([Finding("disk", severity, "text", "remedy")])])
    text = io.StringIO()
    assert doctor.run_doctor(bare_server, Console(file=text, width=120)) == status
    assert "remedy" in text.getvalue()
