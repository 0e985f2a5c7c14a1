"""What the supervisor is told."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from huiyang.platform import front_door
from huiyang.platform.processes import processes
from huiyang.platform.supervision import configuration
from huiyang.secret_store import ensure_secrets
from huiyang.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "100% ours", postgres_admin_url="host=db user=administrator password=hunter2")
    for folder in (settings.run_dir, settings.log_dir):
        folder.mkdir(parents=True)
    return settings


def test_no_secret_stands_in_a_configuration_or_a_command_line(settings: Settings) -> None:
    secrets = [*ensure_secrets(settings.secrets_file).values(), "hunter2"]
    front_door.write_configuration(settings)
    texts = [configuration(settings), front_door.configuration_file(settings).read_text()]
    texts += [part for process in processes(settings) for part in process.command]
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_the_configuration_survives_unusual_folder_names(settings: Settings) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(settings))
    assert parser["supervisord"]["logfile"] == str(settings.log_dir / "supervisor.log").replace("%", "%%")


def test_a_given_server_is_not_supervised(settings: Settings) -> None:
    assert "postgres" not in [process.name for process in processes(settings)]
    own = settings.model_copy(update={"postgres_admin_url": None})
    assert processes(own)[0].name == "postgres"


def test_only_the_front_door_listens_beyond_loopback(settings: Settings) -> None:
    for process in processes(settings):
        if process.name != "front-door":
            assert "0.0.0.0" not in process.command
            assert not {"--port", "--bind"} & set(process.command) or "127.0.0.1" in " ".join(process.command)


def test_what_a_process_needs_stands_before_it(settings: Settings) -> None:
    names = [process.name for process in processes(settings)]
    for process in processes(settings):
        assert not process.needs or names.index(process.needs) < names.index(process.name)
