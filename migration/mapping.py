"""Mappings as data: what each source table is, and how its columns become ours. One YAML file a source table.

A mapping is validated when it is read: unknown keys, transforms, options, target columns, references to sources that
are not mapped before it, and required target columns that nothing fills are errors that name the file.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Table

from huiyang.errors import HuiyangError
from migration import transforms
from operational_app.core.base import AppendOnly, Base, mapped_tables
from operational_app.models import elders  # noqa: F401  (fills the metadata)

MAPPINGS_DIR = Path(__file__).resolve().parent / "mappings"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DataClass(StrEnum):
    """The five classes of the old platform, what the overview needs beside them, and what comes from elsewhere."""

    ELDERS = "老年人基础信息"
    PROVIDERS = "服务机构"
    FAMILY_BEDS = "家庭照护床位"
    SERVICES = "用户服务数据"
    HEALTH = "用户健康数据"
    FACILITIES = "社区养老设施"
    REGISTERS = "主管部门名册"


class Reader(StrEnum):
    MYSQL_DUMP = "mysql_dump"
    GB18030_CSV = "gb18030_csv"
    WORKBOOK = "workbook"


class OnError(StrEnum):
    """What a value that cannot be read does to its row."""

    NULL = "null"  # the column stays empty, the ledger keeps the reason as a warning
    QUARANTINE = "quarantine"  # the row is not loaded


class Step(_Strict):
    """One transform with its options. In YAML: `text`, or `{text: {longest: 50}}`."""

    name: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            ((name, options),) = value.items()
            return {"name": name, "options": options or {}}
        return value

    @model_validator(mode="after")
    def _known(self) -> Step:
        if self.name not in transforms.TRANSFORMS:
            raise ValueError(f"no transform is called {self.name}")
        unknown = set(self.options) - transforms.option_names(self.name)
        if unknown:
            raise ValueError(f"{self.name} has no option {', '.join(sorted(unknown))}")
        return self


def _listed(value: Any) -> Any:
    """One where several may stand."""
    return value if isinstance(value, (list, tuple)) else [value]


#: One name or several.
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Reference(_Strict):
    """The row that a key means; a key without a row is an orphan.

    Args:
        source: the earlier source tables whose legacy key it is; the first that knows it holds.
        alternate: the value is their `alternate_key`.
        table: which target of that source is meant, where it is not the main one; or, without `source`, the table that
            is searched by `by`.
        by: a column of `table`.
        attribute: what is wanted of the row: a column, or its key.
    """

    source: Names = ()
    alternate: bool = False
    table: str | None = None
    by: str | None = None
    attribute: str = "id"

    @model_validator(mode="after")
    def _one_way(self) -> Reference:
        if bool(self.source) == bool(self.by) or (self.by and not self.table):
            raise ValueError("a reference has either `source`, or `table` and `by`")
        return self


class FieldMapping(_Strict):
    """How one or more target columns are filled.

    Args:
        to: target columns, in the order of the transform's results. A name that starts with `_` is a working column,
            for later fields and not stored. `X` stands for the encrypted column where the table has `X_cipher`; its
            blind indexes are filled with it.
        from_: source columns, or working columns.
        use: transforms, one after the other; the first takes the source columns.
        codes: the name of a code list of this mapping.
        ref: the value is a legacy key.
        of: the key of the row that another target of the same source row made.
        value: a constant.
        default: what a missing value becomes.
        required: a row without it is quarantined.
        on_error: see OnError.
        about: the source column that reasons name, where it is not the first.
    """

    to: Annotated[Names, Field(min_length=1)]
    from_: Names = Field((), alias="from")
    use: Annotated[tuple[Step, ...], BeforeValidator(_listed)] = ()
    codes: str | None = None
    ref: Reference | None = None
    of: str | None = None
    value: str | int | bool | None = None
    default: str | int | bool | None = None
    required: bool = False
    on_error: OnError = OnError.NULL
    about: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> FieldMapping:
        origins = [bool(self.from_), self.of is not None, self.value is not None]
        if sum(origins) != 1:
            raise ValueError(f"{', '.join(self.to)} needs exactly one of from, of, value")
        return self


class Exclusive(_Strict):
    """Rows of one key whose half-open periods overlap: the first by `start` is loaded, the others are quarantined."""

    key: str
    start: str
    end: str
    reason: str


class Consistent(_Strict):
    """A column has a value if and only if another is `value`; a row that breaks this is quarantined."""

    column: str
    value: str
    needs: str
    reason: str


class Ordered(_Strict):
    """Two columns of which the second must not lie before the first; `null` empties both, as neither can be trusted."""

    start: str
    end: str
    reason: str
    on_error: OnError = OnError.QUARANTINE


class Target(_Strict):
    """One table that a source row fills.

    Args:
        fields: its columns.
        when: a working column; only rows where it is set (and not false) have this target.
        each: working columns that hold lists side by side: the target gets a row per element, and its fields see the
            element instead of the list.
        match_on: the target row is shared: one per distinct value of these columns, looked up or made.
        unique: columns of which the table holds a value once; see `on_repeat`.
        on_repeat: what a row does whose unique value another row has: `quarantine`; `merge` into that other row, whose
            data stays as it is; `null` drops the value.
        ordered: columns that must be in order.
        consistent: columns that go together.
        exclusive: periods that must not overlap.
    """

    table: str
    fields: tuple[FieldMapping, ...]
    when: str | None = None
    each: Names = ()
    match_on: Names = ()
    unique: Names = ()
    on_repeat: Literal["quarantine", "merge", "null"] = "quarantine"
    ordered: tuple[Ordered, ...] = ()
    consistent: tuple[Consistent, ...] = ()
    exclusive: tuple[Exclusive, ...] = ()

    @property
    def sqlalchemy_table(self) -> Table:
        return Base.metadata.tables[self.table]

    @property
    def is_append_only(self) -> bool:
        return self.table in _append_only_tables()

    @property
    def stored_names(self) -> list[str]:
        """Names of the `to` side that are stored, plain (`id_number`, not `id_number_cipher`)."""
        return [name for f in self.fields for name in f.to if not name.startswith("_")]

    @model_validator(mode="after")
    def _fits_the_table(self) -> Target:
        if self.table not in Base.metadata.tables:
            raise ValueError(f"there is no table {self.table}")
        columns = self.sqlalchemy_table.columns
        names = self.stored_names
        for name in names:
            if name not in columns and f"{name}_cipher" not in columns:
                raise ValueError(f"{self.table} has no column {name}")
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"{self.table}: {', '.join(sorted(repeated))} is filled twice")
        given = set(names) | {f"{name}_cipher" for name in names} | {"id"}
        for column in columns:
            if (
                not column.nullable
                and column.server_default is None
                and column.name not in given
                and not column.primary_key
            ):
                raise ValueError(f"{self.table}.{column.name} is required and nothing fills it")
        ruled = [name for rule in self.ordered for name in (rule.start, rule.end)]
        ruled += [name for rule in self.exclusive for name in (rule.key, rule.start, rule.end)]
        ruled += [name for rule in self.consistent for name in (rule.column, rule.needs)]
        for name in (*self.match_on, *self.unique, *ruled):
            if name not in names:
                raise ValueError(f"{self.table}: {name} is no column of this mapping")
        return self


@cache
def _append_only_tables() -> frozenset[str]:
    return frozenset(table.fullname for model, table in mapped_tables() if issubclass(model, AppendOnly))


class Join(_Strict):
    """Columns that another sheet or table of the same file adds to this one.

    Args:
        table: the other table or sheet.
        by: the column that both have; of several rows with one value the last counts.
        take: its column → the name that it gets here.
    """

    table: str
    by: str
    take: dict[str, str]


class Mapping(_Strict):
    """One source table.

    Args:
        name: its name in the ledger.
        title: what users call it.
        order: sources are loaded in ascending order; references go to sources before.
        version: raise it when the meaning of the mapping changes: every row is then looked at again.
        reader, file, table: where it is; `table` is the dump's table or the workbook's sheet. `file` may be a glob
            where the old platform writes several files of one shape.
        header_row: the row of column titles in a sheet, from 1.
        optional: the file may be missing; it does not come from the old platform.
        join: columns that another table of the same file adds.
        key: source columns that identify a row; empty: the line number does.
        alternate_key: another column by which other sources refer to a row.
        reject: column → value → reason: rows that are quarantined at sight (deleted over there).
        titles: what users call the source's columns, where their names say nothing.
        unused_columns: further columns of the source, each with the reason why nothing takes it.
        codes: code lists, theirs → ours.
        shared: working columns, computed before the targets.
        targets: see Target.
        changed_at: the working column with the time of a row's last change. `effective_at` of a row that is loaded for
            the first time is what its field says, as a rule the time of creation: its present form is the oldest that
            is known. When a newer export changes the row, the new version is effective from `changed_at`.
    """

    name: str
    title: str
    data_class: DataClass
    order: int
    version: int = 1
    reader: Reader
    file: str
    table: str | None = None
    header_row: int = 1
    optional: bool = False
    join: Join | None = None
    key: Names = ()
    alternate_key: str | None = None
    reject: dict[str, dict[str, str]] = {}
    titles: dict[str, str] = {}
    unused_columns: dict[str, str] = {}
    codes: dict[str, dict[str, str]] = {}
    shared: tuple[FieldMapping, ...] = ()
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    changed_at: str | None = None

    @property
    def primary(self) -> Target:
        """The target that the ledger counts: the first that is not shared."""
        return next(target for target in self.targets if not target.match_on)

    @property
    def numbered_targets(self) -> list[tuple[int, Target]]:
        """The targets in their order, each with its number in the ledger; that of the main target is 0."""
        others = iter(range(1, len(self.targets)))
        return [(0 if target is self.primary else next(others), target) for target in self.targets]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every source column that means something here, in a fixed order: the row's hash is taken over them."""
        names: set[str] = {*self.key, *self.reject, *([self.alternate_key] if self.alternate_key else [])}
        for f in self.all_fields:
            names |= {name for name in f.from_ if not name.startswith("_")}
        return tuple(sorted(names))

    @property
    def all_fields(self) -> list[FieldMapping]:
        return [*self.shared, *(f for target in self.targets for f in target.fields)]

    @model_validator(mode="after")
    def _consistent(self) -> Mapping:
        working: set[str] = set()
        tables: list[str] = []
        for f in self.shared:
            self._check_field(f, working, tables)
            stray = [name for name in f.to if not name.startswith("_")]
            if stray:
                raise ValueError(f"{', '.join(stray)} in `shared` is no working column (they start with _)")
        for target in self.targets:
            for f in target.fields:
                self._check_field(f, working, tables)
            if target.each and (target.match_on or target.unique or target.exclusive):
                raise ValueError(f"{target.table}: each goes with no other policy")
            unknown = {target.when, *target.each} - working - {None}
            if unknown:
                raise ValueError(f"{target.table}: {', '.join(map(str, unknown))} is no working column")
            tables.append(target.table)
        if self.changed_at and self.changed_at not in working:
            raise ValueError(f"changed_at {self.changed_at} is no working column")
        if all(target.match_on for target in self.targets) or self.primary.when:
            raise ValueError("one target is made for every row: the first without match_on, and it has no `when`")
        return self

    def _check_field(self, f: FieldMapping, working: set[str], tables: list[str]) -> None:
        for name in f.from_:
            if name.startswith("_") and name not in working:
                raise ValueError(f"{name} is used before it is made")
        if f.codes is not None and f.codes not in self.codes:
            raise ValueError(f"there is no code list {f.codes}")
        if f.of is not None and f.of not in tables:
            raise ValueError(f"{f.of} is no earlier target of this mapping")
        working |= {name for name in f.to if name.startswith("_")}


def read_mapping(path: Path) -> Mapping:
    """One mapping.

    Raises:
        HuiyangError: the file is no YAML or breaks a rule; says which.
    """
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise HuiyangError(f"{path} is not valid YAML: {error}", "Correct the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise HuiyangError(
            f"{path}: {where}: {first['msg']}", "Correct the mapping; migration/mapping.py says what each key means."
        ) from error


def read_mappings(folder: Path = MAPPINGS_DIR) -> list[Mapping]:
    """All mappings, in the order in which they are loaded.

    Raises:
        HuiyangError: as `read_mapping`; or two have one name; or a reference goes to a source that is not before it.
    """
    mappings = sorted((read_mapping(path) for path in sorted(folder.glob("*.yaml"))), key=lambda m: (m.order, m.name))
    seen: dict[str, Mapping] = {}
    for mapping in mappings:
        if mapping.name in seen:
            raise HuiyangError(f"Two mappings are called {mapping.name}.", f"Rename one in {folder}.")
        for f in mapping.all_fields:
            for source in f.ref.source if f.ref else ():
                if source not in seen:
                    raise HuiyangError(
                        f"{mapping.name}: {', '.join(f.to)} refers to {source}, which is not loaded before it.",
                        f"Give {source} a lower `order` in {folder}.",
                    )
                tables = [target.table for target in seen[source].targets]
                if (f.ref and f.ref.alternate and not seen[source].alternate_key) or (
                    f.ref and f.ref.table and f.ref.table not in tables
                ):
                    raise HuiyangError(
                        f"{mapping.name}: {', '.join(f.to)} refers to what {source} does not have.",
                        f"Correct {folder}.",
                    )
        seen[mapping.name] = mapping
    return mappings
