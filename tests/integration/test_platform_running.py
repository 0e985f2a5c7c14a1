"""A whole installation behind its front door: real app, real Superset, real Dagster."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from huiyang.database import Login, connect
from huiyang.platform import front_door
from huiyang.platform.ports import listening
from huiyang.secret_store import load_secrets
from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH, Settings
from operational_app.web.forms import FORM_FIELD

BROWSER = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


@pytest.fixture
def client(running_installation: Settings) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(front_door.authority_file(running_installation)))
    with httpx.Client(base_url=front_door.address(running_installation), verify=context, timeout=60) as client:
        client.headers.update(BROWSER)
        yield client


@pytest.fixture
def sign_in(client: httpx.Client, running_installation: Settings) -> Callable[[str], httpx.Client]:
    def as_user(username: str) -> httpx.Client:
        password = load_secrets(running_installation.secrets_file)["demo_password"]
        page = client.get("/sign-in").text
        token = page.partition(f'name="{FORM_FIELD}" value="')[2].partition('"')[0]
        form = {"username": username, "password": password, FORM_FIELD: token}
        answer = client.post("/sign-in", data=form)
        assert answer.status_code == 303, answer.text[:500]
        return client

    return as_user


@pytest.mark.parametrize("path", [f"{COCKPIT_PATH}/superset/welcome/", f"{DAGSTER_PATH}/runs", "/"])
def test_a_stranger_is_sent_to_sign_in(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/sign-in")


def test_a_leader_sees_the_cockpit_but_not_the_pipelines(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("city.leader")
    assert client.get("/").status_code == 200
    answer = client.get(f"{COCKPIT_PATH}/superset/dashboard/overview/")
    assert answer.status_code == 200
    assert "湛江市养老服务总览" in answer.text
    assert client.get(f"{DAGSTER_PATH}/runs").status_code == 403


def test_data_staff_see_the_pipelines(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("data.staff")
    assert client.get(f"{DAGSTER_PATH}/runs").status_code == 200
    question = {"query": "{ runsOrError { ... on Runs { results { status } } } }"}
    answer = client.post(f"{DAGSTER_PATH}/graphql", json=question, headers={"Accept": "application/json"})
    assert {run["status"] for run in answer.json()["data"]["runsOrError"]["results"]} == {"SUCCESS"}


_START_A_RUN = """mutation { launchPipelineExecution(executionParams: {
    selector: {repositoryLocationName: "pipelines.definitions", repositoryName: "__repository__",
               pipelineName: "event_log_pruning"}, mode: "default", runConfigData: "{}"}) { __typename } }"""


def _may_start_runs(client: httpx.Client, **headers: str) -> bool:
    """What Dagster itself says of the page that the front door led to."""
    answer = client.post(
        f"{DAGSTER_PATH}/graphql", json={"query": "{ permissions { permission value } }"},
        headers={"Accept": "application/json"} | headers,
    )  # fmt: skip
    found = {one["permission"]: one["value"] for one in answer.json()["data"]["permissions"]}
    return bool(found["launch_pipeline_execution"])


def test_the_pipelines_are_for_looking_but_for_the_system_administrator(
    sign_in: Callable[[str], httpx.Client],
) -> None:
    client = sign_in("data.staff")
    assert not _may_start_runs(client)
    assert not _may_start_runs(client, **{"X-Huiyang-Roles": "pipelines,pipeline_administration"})
    answer = client.post(
        f"{DAGSTER_PATH}/graphql", json={"query": _START_A_RUN}, headers={"Accept": "application/json"}
    ).json()
    assert answer.get("data"), answer
    assert answer["data"]["launchPipelineExecution"]["__typename"] == "UnauthorizedError"
    client.cookies.clear()
    assert _may_start_runs(sign_in("system.admin"))


def test_figures_leave_the_cockpits_as_no_file(sign_in: Callable[[str], httpx.Client]) -> None:
    """Superset's own downloads would pass the audit trail by; its system administrator has none either."""
    client = sign_in("system.admin")
    api = f"{COCKPIT_PATH}/api/v1"
    dataset = client.get(f"{api}/dataset/").json()["result"][0]["id"]
    column = client.get(f"{api}/dataset/{dataset}").json()["result"]["columns"][0]["column_name"]
    answers = {
        kind: client.post(
            f"{api}/chart/data",
            json={
                "datasource": {"id": dataset, "type": "table"}, "result_type": "full", "result_format": kind,
                "queries": [{"columns": [column], "metrics": [], "row_limit": 3}],
            },
        ).status_code
        for kind in ("json", "csv", "xlsx")
    }  # fmt: skip
    assert answers == {"json": 200, "csv": 403, "xlsx": 403}
    assert client.get(f"{api}/sqllab/export/any/").status_code == 403


def test_who_is_revoked_is_out_everywhere_at_the_next_request(
    sign_in: Callable[[str], httpx.Client], running_installation: Settings
) -> None:
    client = sign_in("auditor")
    assert client.get(f"{COCKPIT_PATH}/superset/dashboard/overview/").status_code == 200
    with connect(Login.LOADER, running_installation) as loader:
        loader.execute("update identity.account set is_active = false where username = 'auditor'")
    try:
        for path in ("/", f"{COCKPIT_PATH}/superset/dashboard/overview/", f"{DAGSTER_PATH}/runs"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers.get("location", "")[:8]) == (302, "/sign-in"), path
    finally:
        with connect(Login.LOADER, running_installation) as loader:
            loader.execute("update identity.account set is_active = true where username = 'auditor'")


def test_behind_the_door_a_claimed_name_is_worth_nothing(client: httpx.Client, running_installation: Settings) -> None:
    claimed = {"X-Huiyang-User": "system.admin", "X-Huiyang-Roles": "system_admin", "X-Front-Door": "guessed"}
    for address in (f"http://127.0.0.1:{running_installation.superset_port}{COCKPIT_PATH}/superset/welcome/", "/"):
        answer = client.get(address, headers=claimed)
        assert answer.status_code in (302, 401, 403), address


def test_only_the_front_door_listens_beyond_loopback(running_installation: Settings) -> None:
    beyond = {
        connection.laddr.port
        for connection in listening({child.pid for child in psutil.Process().children(recursive=True)})
        if connection.laddr.ip not in ("127.0.0.1", "::1")
    }
    assert beyond == {running_installation.front_door_port}


def test_no_command_line_shows_a_secret(running_installation: Settings) -> None:
    secrets = load_secrets(running_installation.secrets_file).values()
    lines = []
    for child in psutil.Process().children(recursive=True):
        try:
            lines.append(" ".join(child.cmdline()))
        except psutil.NoSuchProcess:
            continue
    assert len(lines) > 5
    assert not [line for line in lines for secret in secrets if secret in line]


def test_no_log_holds_a_secret(running_installation: Settings) -> None:
    secrets = load_secrets(running_installation.secrets_file).values()
    for path in running_installation.log_dir.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            assert not [path for secret in secrets if secret in text]
