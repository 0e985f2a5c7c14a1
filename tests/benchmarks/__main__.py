"""Runs every benchmark on an installation of its own and writes docs/benchmarks.md.

python -m tests.benchmarks                  # demo scale
HUIYANG_SCALE=city python -m tests.benchmarks
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from huiyang.server import temporary_server
from huiyang.settings import BUSINESS_TIMEZONE, PROJECT_ROOT, Settings, get_settings
from tests.benchmarks import line, load

REPORT = PROJECT_ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Section:
    """One table of the report."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [
            f"## {self.title}",
            self.note,
            "",
            "| " + " | ".join(self.header) + " |",
            "|---" * len(self.header) + "|",
        ]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


def timed(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def main() -> None:
    scale = get_settings().scale
    with tempfile.TemporaryDirectory(prefix="huiyang-bench-") as folder:
        settings = Settings(home=Path(folder) / "home", scale=scale, postgres_admin_url=None)
        # Code that reads the environment finds this installation too.
        os.environ["HUIYANG_HOME"] = str(settings.home)
        get_settings.cache_clear()
        with temporary_server(settings):
            sections = [Section(*load.measure(settings)), *(Section(*part) for part in line.measure(settings))]
    intro = (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {datetime.now(BUSINESS_TIMEZONE):%Y-%m-%d}, scale `{scale}`.\n"
        f"Machine: {machine()}.\n"
        "Embedded PostgreSQL 18 with the settings of `huiyang/server.py`, nothing else at work. Each figure stands\n"
        "beside its denominator, measured in the same run. The answer times of the operational app's pages stand in\n"
        "[benchmarks-pages.md](benchmarks-pages.md).\n\n"
    )
    REPORT.write_text(intro + "\n".join(section.markdown() for section in sections))
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
