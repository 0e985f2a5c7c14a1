"""What `orchestration.yaml` may say, read and checked: cadences, reviewers, retention, schedules per environment.

Acceptance thresholds are not in it: they are constants in code, so that nobody loosens them in a hurry.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period
from huiyang.settings import PROJECT_ROOT

ORCHESTRATION_FILE = PROJECT_ROOT / "orchestration.yaml"
ENVIRONMENT_VARIABLE = "HUIYANG_ENVIRONMENT"
DEFAULT_ENVIRONMENT = "demo"
#: Every schedule of the definitions. An environment declares them all: there is no fallback.
SCHEDULES = (
    "daily_provisional",
    "monthly_official",
    "half_yearly_official",
    "event_log_pruning",
    "statutory_duties",
)


#: Lowest and highest value of a cron expression's fields: minute, hour, day, month, day of the week.
_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/[1-9]\d?)?", re.ASCII)


def _cron(text: str) -> str:
    fields = text.split()
    well = len(fields) == len(_CRON_BOUNDS)
    for field, (low, high) in zip(fields, _CRON_BOUNDS, strict=False):
        for part in field.split(","):
            match = _CRON_PART.fullmatch(part)
            well = well and match is not None and all(low <= int(n) <= high for n in match.groups() if n)
    if not well:
        raise ValueError("must be a cron expression of five fields (minute hour day month weekday), as 30 1 * * *")
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CadenceSettings(_Strict):
    """One cadence: since when, how long corrections come in, when the official release is due (days after the end)."""

    first_period: str
    correction_days: Annotated[int, Field(ge=0, le=180)]
    due_days: Annotated[int, Field(ge=1, le=180)]


class FixSettings(_Strict):
    """How long violations of one severity may take: days until due, days overdue until the next level is told."""

    due_days: Annotated[int, Field(ge=1, le=180)]
    escalate_days: Annotated[int, Field(ge=0, le=180)]


class FixTaskSettings(_Strict):
    """`FixSettings` of each severity."""

    critical: FixSettings
    error: FixSettings
    warning: FixSettings


class Retention(_Strict):
    """How many published releases stay restorable beside the current one, and how long Dagster's events are kept."""

    releases_kept: Annotated[int, Field(ge=1, le=1000)]
    event_log_days: Annotated[int, Field(ge=7, le=3650)]


class Schedule(_Strict):
    """When a scheduled job runs (Asia/Shanghai), if it is enabled."""

    cron: Annotated[str, AfterValidator(_cron)]
    enabled: bool


class Environment(_Strict):
    """The schedules of one environment."""

    schedules: dict[str, Schedule]


class Orchestration(_Strict):
    """The whole file."""

    reviewers: Annotated[list[str], Field(min_length=1)]
    cadences: dict[Cadence, CadenceSettings]
    fix_tasks: FixTaskSettings
    retention: Retention
    environments: dict[str, Environment]

    def first_period(self, cadence: Cadence) -> Period:
        return Period.parse(self.cadences[cadence].first_period)

    def schedule(self, name: str) -> Schedule:
        """A schedule as the current environment declares it."""
        return self.environments[active_environment()].schedules[name]


def active_environment() -> str:
    """The environment's name in orchestration.yaml."""
    return os.environ.get(ENVIRONMENT_VARIABLE, DEFAULT_ENVIRONMENT)


def orchestration_sha256(path: Path = ORCHESTRATION_FILE) -> str:
    """The file's fingerprint, recorded with each release."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_orchestration(path: Path = ORCHESTRATION_FILE) -> Orchestration:
    """Reads and checks the file for the current environment.

    Raises:
        HuiyangError: unreadable, unknown or missing key, wrong value, undeclared environment or schedule; the message
            names key and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HuiyangError(f"{path} cannot be read: {error}.", "Restore it from the repository, as UTF-8.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise HuiyangError(
            f"{path.name}{where}: {problem}.", "Correct the indentation or quotes there; the lines around it show how."
        ) from error
    lines = dict(_lines(node)) if node else {}
    _refuse_double_keys(path, node)
    if not isinstance(content, dict):
        raise HuiyangError(f"{path.name} is empty or not a mapping.", "Restore it from the repository.")
    try:
        orchestration = Orchestration.model_validate(content, strict=False)
    except ValidationError as error:
        raise _as_huiyang_error(path, error, lines) from error
    _check_across(path, orchestration, lines)
    return orchestration


Location = tuple[Any, ...]


def _lines(node: yaml.Node, at: Location = ()) -> Iterator[tuple[Location, int]]:
    """(location, line from 1) of every node."""
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            for location, line in _lines(value, (*at, key.value)):
                yield location, key.start_mark.line + 1 if location == (*at, key.value) else line
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(value, (*at, position))


def _refuse_double_keys(path: Path, node: yaml.Node | None) -> None:
    """YAML's last one would win without a word."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise HuiyangError(
                    f"{path.name}, line {key.start_mark.line + 1}: the key `{key.value}` stands twice.",
                    "Remove one of the two.",
                )
            seen.add(key.value)
            _refuse_double_keys(path, value)


def _as_huiyang_error(path: Path, error: ValidationError, lines: Mapping[Location, int]) -> HuiyangError:
    """The first complaint, with the line of its key or of the nearest mapping around it."""
    # A misspelt key is both unknown and missing; that it is unknown says more.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    location: Location = tuple(part for part in first["loc"] if part != "[key]")
    key = ".".join(map(str, location))
    nearest = location
    while nearest and nearest not in lines:
        nearest = nearest[:-1]
    where = f"{path.name}, line {lines.get(nearest, 1)}"
    kind = first["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_known_keys(location[:-1]))
        return HuiyangError(f"{where}: unknown key `{key}`.", f"Known keys there: {known}. Remove or correct it.")
    if kind == "missing":
        return HuiyangError(f"{where}: the key `{key}` is missing.", f"Add `{location[-1]}:` there.")
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    given = "" if isinstance(first["input"], dict) else f" (given: {first['input']!r})"
    return HuiyangError(
        f"{where}: `{key}`: {message}{given}.", "Correct the value; the comment above the key says how."
    )


def _known_keys(location: Location) -> list[str]:
    model: type[BaseModel] = Orchestration
    children: dict[str, type[BaseModel]] = {
        "cadences": CadenceSettings, "fix_tasks": FixTaskSettings, "retention": Retention, "environments": Environment,
        "schedules": Schedule, **dict.fromkeys(FixTaskSettings.model_fields, FixSettings),
    }  # fmt: skip
    for part in location:
        model = children.get(str(part), model)
    return sorted(model.model_fields)


def _check_across(path: Path, orchestration: Orchestration, lines: Mapping[Location, int]) -> None:
    """What one value alone does not show."""

    def fail(location: Location, problem: str, remedy: str) -> None:
        nearest = location
        while nearest and nearest not in lines:
            nearest = nearest[:-1]
        raise HuiyangError(f"{path.name}, line {lines.get(nearest, 1)}: {problem}", remedy)

    for cadence in Cadence:
        settings = orchestration.cadences.get(cadence)
        if settings is None:
            fail(("cadences",), f"the key `cadences.{cadence}` is missing.", f"Add `{cadence}:` under `cadences`.")
            continue
        location = ("cadences", cadence.value)
        example = "2023-11" if cadence is Cadence.MONTHLY else "2023-H2"
        try:
            is_right = Period.parse(settings.first_period).cadence is cadence
        except HuiyangError:
            is_right = False
        if not is_right:
            fail(
                (*location, "first_period"),
                f"`cadences.{cadence}.first_period` is {settings.first_period!r}.",
                f'Write a period such as "{example}", in quotes.',
            )
        if settings.due_days <= settings.correction_days:
            fail(
                (*location, "due_days"),
                f"`cadences.{cadence}.due_days` ({settings.due_days}) does not leave time after the"
                f" {settings.correction_days} days for corrections.",
                "Make it larger than correction_days.",
            )
    for name, environment in orchestration.environments.items():
        at = ("environments", name, "schedules")
        for schedule in SCHEDULES:
            if schedule not in environment.schedules:
                fail(
                    at, f"environment `{name}` does not declare the schedule `{schedule}`.", f"Add `{schedule}:` there."
                )
        for schedule in environment.schedules:
            if schedule not in SCHEDULES:
                fail((*at, schedule), f"unknown key `{schedule}`.", f"Known schedules: {', '.join(SCHEDULES)}.")
    if active_environment() not in orchestration.environments:
        fail(
            ("environments",),
            f"environment `{active_environment()}` ({ENVIRONMENT_VARIABLE}) is not declared.",
            f"Declared are: {', '.join(orchestration.environments)}. Add it, or set {ENVIRONMENT_VARIABLE}.",
        )
