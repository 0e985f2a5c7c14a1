"""`huiyang doctor` sees when the audit trail is not sealed, or its heads do not reach their medium."""

from __future__ import annotations

import sys

import pytest

from huiyang.platform import doctor
from huiyang.platform.doctor import Severity
from huiyang.platform.supervision import Supervisor
from operational_app.audit.sealing import is_at_work
from tests.app_audit import Trail, own_server, trail

__all__ = ["own_server", "trail"]  # fixtures


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "is_running", lambda self: True)


def found(trail: Trail) -> dict[str, tuple[Severity, str]]:
    return {finding.check: (finding.severity, finding.text) for finding in doctor.check_audit(trail.settings)}


def test_nobody_seals(trail: Trail, serving: None):
    trail.record(1)
    assert found(trail)["audit trail"] == (Severity.ERROR, "nobody seals it; events wait")


def test_an_installation_that_is_down_is_not_blamed(trail: Trail):
    trail.record(1)
    assert "audit trail" not in found(trail)


def test_all_is_well_beside_a_warning_of_one_device(trail: Trail, serving: None):
    trail.start([sys.executable, "-m", "operational_app.audit.sealing"])
    trail.wait_until(lambda: is_at_work(trail.settings))
    trail.record(1)
    trail.wait_until(lambda: trail.seals() and trail.seals()[0]["kept_at"])
    assert found(trail)["audit trail"] == (Severity.OK, "sealed")
    if not trail.settings.postgres_admin_url:
        assert found(trail)["audit heads"][0] is Severity.WARNING


def test_an_event_that_stays_behind(trail: Trail, serving: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_SEALED_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr("operational_app.audit.sealing.is_at_work", lambda settings: True)
    (key,) = trail.record(1)
    trail.as_superuser("update audit.audit_event set recorded_at = now() - interval '11 seconds'")
    assert found(trail)["audit trail"] == (
        Severity.ERROR, f"1 events were not sealed in time, the first is {key}",
    )  # fmt: skip


def test_the_medium_is_gone(trail: Trail):
    trail.batches(1)
    assert found(trail)["audit heads"][0] is not Severity.ERROR
    trail.heads.path.unlink()
    assert "not there" in found(trail)["audit heads"][1]
    trail.as_superuser("update audit.seal set kept_at = null, sealed_at = now() - interval '2 minutes'")
    assert "did not take the heads of 1 batches" in found(trail)["audit heads"][1]
