"""What the tests of the app's pages and API share: the app of the session's installation, and records made there."""

from __future__ import annotations

import pytest

from operational_app.main import create_app
from tests.app_sample import Records


@pytest.fixture(scope="module")
def app(installation):
    return create_app(installation)


@pytest.fixture(scope="module")
def records(installation):
    return Records(installation)
