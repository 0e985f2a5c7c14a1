"""What reports and deliveries need to know of a release; `pipelines.release.Release` is one."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class ReleaseInfo(Protocol):
    """A release, candidate or published.

    Attributes:
        lane: provisional or official.
        state: candidate, rejected, published, superseded.
        accepted: figures and signature.
        as_of: time of the cut-off.
        cut_off: the transaction below which changes are known.
        git_commit, orchestration_sha256: the code and the settings that built it.
        report_folder: below Settings.report_dir; None before the report is written.
    """

    @property
    def release_id(self) -> int: ...
    @property
    def period(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def accepted(self) -> bool: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def cut_off(self) -> int: ...
    @property
    def git_commit(self) -> str: ...
    @property
    def orchestration_sha256(self) -> str: ...
    @property
    def started_by(self) -> str: ...
    @property
    def published_at(self) -> datetime | None: ...
    @property
    def report_folder(self) -> str | None: ...
