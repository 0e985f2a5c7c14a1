"""schemathesis against the real app on real PostgreSQL: whatever is sent, the answer is one that the document tells."""

from __future__ import annotations

from functools import cache

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)

from operational_app.api.assembly import make_api
from operational_app.api.operations import RIGHT
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from tests.app_api import Client
from tests.app_sample import CHIKAN, Records, id_number, unique

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    negative_data_rejection,
]  # fmt: skip
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


def _schema(examples, *, coverage):
    project = ProjectConfig(
        generation=GenerationConfig(max_examples=examples, with_security_parameters=False, deterministic=True),
        phases=PhasesConfig(coverage=CoveragePhaseConfig(enabled=coverage)),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_dict(make_api().openapi(), config=config)


quick, thorough = _schema(3, coverage=False), _schema(60, coverage=True)


@pytest.fixture(scope="module")
def client_of(own_installation):
    """right → a client signed in as somebody who has it, and that has records to meet."""
    app, records = create_app(own_installation), Records(own_installation)
    institution, organization = records.institution(unique("颐养院"), CHIKAN)
    for _ in range(3):
        records.bed(institution)
        records.elder("林大海", CHIKAN, id_number=id_number())
    provider = records.organization(unique("服务商"), CHIKAN, "provider")
    people = [
        (RoleCode.INSTITUTION_MANAGER, {"organization_id": organization}),
        (RoleCode.DEPARTMENT_MANAGER, {"division_code": CHIKAN}),
        (RoleCode.PROVIDER_MANAGER, {"organization_id": provider}),
        (RoleCode.DATA_STAFF, {"division_code": CHIKAN}),
        (RoleCode.SECURITY_ADMINISTRATOR, {}),
        (RoleCode.SYSTEM_ADMINISTRATOR, {}),
    ]

    @cache
    def find(label, right):
        for role, where in people:
            client = Client.of(app, records.account(role, **where))
            if right in client.get("/me").json()["resources"]:
                return client
        raise AssertionError(f"nobody has {right}")

    return find


def check(case, client_of):
    operation = case.operation
    client = client_of(operation.label, operation.definition.raw[RIGHT])
    sent = requests.Request(**case.as_transport_kwargs(base_url="https://app.test/api/v1")).prepare()
    headers = dict(sent.headers) | client.headers
    headers.pop("Content-Length", None)
    answer = client.browser.client.request(sent.method, sent.url, headers=headers, content=sent.body)
    assert answer.status_code not in (401, 403), answer.text
    case.validate_response(answer, checks=CHECKS)


@quick.parametrize()
@QUIET
def test_every_answer_is_one_of_the_document(case, client_of):
    check(case, client_of)


@pytest.mark.slow
@thorough.parametrize()
@QUIET
def test_every_answer_is_one_of_the_document_thoroughly(case, client_of):
    check(case, client_of)
