"""Answer times of the operational app's pages, through the front door of a running installation.

HUIYANG_HOME=/srv/huiyang/var python -m tests.benchmarks.pages     # beside `SCALE=city make up`

Signs in with demo accounts, asks each page in turn (so that no page profits from a row of equal questions) and writes
docs/benchmarks-pages.md. The denominator is a page of the same account that reads nothing but the session.
"""

from __future__ import annotations

import random
import re
import ssl
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from huiyang.database import Login, connect
from huiyang.platform import front_door
from huiyang.secret_store import load_secrets
from huiyang.settings import BUSINESS_TIMEZONE, PROJECT_ROOT, Settings, get_settings
from operational_app.web.forms import FORM_HEADER
from tests.benchmarks.__main__ import Section, machine

REPORT = PROJECT_ROOT / "docs" / "benchmarks-pages.md"
ROUNDS = 60
TARGET_MS = 150
DENOMINATOR = "own account (reads the session only)"


@dataclass
class Page:
    """One kind of question; another record, term or place each time.

    Attributes:
        addresses: what to ask for; terms of the search form where `searches` names one. Its answer leads to a list,
            whose time counts too.
    """

    title: str
    user: str
    addresses: Iterator[str]
    searches: str | None = None
    milliseconds: list[float] = field(default_factory=list)


def _keys(settings: Settings, table: str, count: int = 400) -> list[int]:
    """Keys spread evenly over the table: most of them are in no cache."""
    with connect(Login.LOADER, settings) as loader:
        row = loader.execute(f"select min(id), max(id) from {table}").fetchone()
        assert row is not None
        low, high = row
        wanted = sorted(random.Random(7).sample(range(low, high + 1), min(count, high - low + 1)))
        return [int(key) for (key,) in loader.execute(f"select id from {table} where id = any(%s)", [wanted])]


def _cycle(template: str, values: list[object]) -> Iterator[str]:
    while True:
        for value in values:
            yield template.format(value)


def _pages(settings: Settings) -> list[Page]:
    elders, institutions = _keys(settings, "elders.elder"), _keys(settings, "institutions.institution")
    with connect(Login.LOADER, settings) as loader:
        in_counties = "select division_code from reference.division where level = 'county'"
        counties = [code for (code,) in loader.execute(in_counties)]
        names = [name for (name,) in loader.execute("select name from elders.elder where id = any(%s)", [elders])]
    return [
        Page(DENOMINATOR, "city.leader", _cycle("/me", [""])),
        Page("workbench", "city.leader", _cycle("/", [""])),
        Page("elder list, whole city", "operator", _cycle("/elders/list", [""])),
        Page("elder list, one county", "operator", _cycle("/elders/list?division={}", list(counties))),
        Page("elder list, by name", "operator", _cycle("{}", list(names)), searches="/elders/search"),
        Page("elder's file", "operator", _cycle("/elders/{}", list(elders))),
        Page("order list", "operator", _cycle("/orders/list", [""])),
        Page("institution list", "city.leader", _cycle("/institutions/list", [""])),
        Page("institution's page", "city.leader", _cycle("/institutions/{}", list(institutions))),
        Page("bed board", "city.leader", _cycle("/institutions/{}/beds", list(institutions))),
        Page("residents", "city.leader", _cycle("/institutions/{}/residents", list(institutions))),
        Page("facility list", "city.leader", _cycle("/facilities/list", [""])),
        Page("provider list", "city.leader", _cycle("/providers/list", [""])),
        Page("code list", "operator", _cycle("/codes/list", [""])),
        Page("quality of the release", "auditor", _cycle("/quality", [""])),
        Page("fix tasks, open", "data.staff", _cycle("/fix-tasks/list?state=open", [""])),
        Page("fix task", "data.staff", _cycle("/fix-tasks/{}", _keys(settings, "fix_tasks.fix_task"))),
        Page("account list", "system.admin", _cycle("/accounts/list", [""])),
        Page("staff list", "city.leader", _cycle("/institutions/{}/staff", list(institutions))),
        Page("map of the institutions", "city.leader", _cycle("/map", [""])),
        Page("likely duplicates of institutions", "city.leader", _cycle("/institutions/duplicates", [""])),
        Page("collection campaigns", "city.leader", _cycle("/collection", [""])),
        Page("notifications", "city.leader", _cycle("/notifications", [""])),
        Page("audit log", "audit.admin", _cycle("/audit/list", [""])),
    ]


def _signed_in(settings: Settings, user: str) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=str(front_door.authority_file(settings)))
    client = httpx.Client(
        base_url=f"https://localhost:{settings.front_door_port}", verify=trusted, follow_redirects=True, timeout=60
    )
    password = load_secrets(settings.secrets_file)["demo_password"]
    token = re.search(r'name="csrftoken" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    answer = client.post(
        "/sign-in",
        data={"username": user, "password": password, "csrftoken": token[1]},
        headers={"origin": str(client.base_url).rstrip("/")},
    )
    answer.raise_for_status()
    token = re.search(r'name="csrftoken" value="([^"]+)"', answer.text)  # another one: it goes with the session
    assert token is not None
    client.headers[FORM_HEADER] = token[1]
    return client


def _ask(client: httpx.Client, page: Page, address: str) -> httpx.Response:
    if page.searches is None:
        return client.get(address)
    return client.post(page.searches, data={"name": address})


def measure(settings: Settings) -> Section:
    """Every page `ROUNDS` times, one question at a time, after one unmeasured round."""
    pages = _pages(settings)
    clients = {user: _signed_in(settings, user) for user in sorted({page.user for page in pages})}
    for turn in range(ROUNDS + 1):
        for page in pages:
            address = next(page.addresses)
            started = time.perf_counter()
            answer = _ask(clients[page.user], page, address)
            took = (time.perf_counter() - started) * 1000
            if answer.status_code not in (200, 404):  # a key of another scope, or of a merged record
                raise RuntimeError(f"{page.user} {address}: {answer.status_code}")
            if turn and answer.status_code == 200:
                page.milliseconds.append(took)
    bare = statistics.median(pages[0].milliseconds)
    rows = []
    for page in pages:
        if len(page.milliseconds) < ROUNDS / 2:
            raise RuntimeError(f"{page.title}: only {len(page.milliseconds)} of {ROUNDS} questions were answered")
        cuts = statistics.quantiles(page.milliseconds, n=20)
        median = statistics.median(page.milliseconds)
        rows.append((page.title, f"{median:.0f}", f"{cuts[18]:.0f}", f"{median / bare:.1f}"))
    return Section(
        "Pages of the operational app",
        f"{ROUNDS} questions a page, one at a time, interleaved. Target: p95 {TARGET_MS} ms.",
        ("page", "median ms", "p95 ms", "median beside the first line"),
        rows,
    )


def main() -> None:
    settings = get_settings()
    section = measure(settings)
    REPORT.write_text(
        "# Benchmarks of the pages\n\n"
        f"Written by `python -m tests.benchmarks.pages` on {datetime.now(BUSINESS_TIMEZONE):%Y-%m-%d}, "
        f"scale `{settings.scale}`.\nMachine: {machine()}.\n"
        "Extraction, quality gate and refresh stand in [benchmarks.md](benchmarks.md), written by `make bench`.\n\n"
        f"{section.markdown()}"
    )
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
