"""Row-level security: which rows of a table a transaction may see, stated per table and enforced by PostgreSQL.

A transaction says who it works for with `set_scope` (settings `huiyang.*`, local to the transaction). Policies are
forced, so the tables' owner is bound too, and fail closed: without a scope every policy is false.

A scope has two sides, either may be empty:
- a division range `[lo, hi)` of 12-digit codes, which is a subtree of the division tree, narrowed to a list of towns
  for reporting units that cut across it (湛江经开区);
- the own organization.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

_SETTING = "nullif(current_setting('huiyang.{name}', true), '')"
DIVISION_LO = _SETTING.format(name="division_lo")
DIVISION_HI = _SETTING.format(name="division_hi")
TOWNS = _SETTING.format(name="towns")
UNIT = _SETTING.format(name="unit_code")
ORGANIZATION = f"{_SETTING.format(name='organization_id')}::bigint"
ACCOUNT = f"{_SETTING.format(name='account_id')}::bigint"
#: True for work on accounts as such: signing in, and the administrators' pages.
ALL_ACCOUNTS = f"coalesce({_SETTING.format(name='all_accounts')} = 'true', false)"


@dataclass(frozen=True)
class Scope:
    """How a table's rows are tied to a scope; the sides given are alternatives.

    Args:
        division: column with a 12-digit division code.
        organization: column with the owning organization's id.
        parent: (column, table, key): the row is visible where the row it belongs to is.
        condition: further SQL that makes a row visible.
    """

    division: str | None = None
    organization: str | None = None
    parent: tuple[str, str, str] | None = None
    condition: str | None = None

    def predicate(self, table: str) -> str:
        """The policy's SQL expression for `table` (its unqualified name, used to name columns without ambiguity)."""
        sides = []
        if self.division:
            column = f"{table}.{self.division}"
            sides.append(
                f"({column} >= {DIVISION_LO} and {column} < {DIVISION_HI}"
                f" and ({TOWNS} is null or left({column}, 9) = any (string_to_array({TOWNS}, ','))))"
            )
        if self.organization:
            sides.append(f"({table}.{self.organization} = {ORGANIZATION})")
        if self.parent:
            column, parent, key = self.parent
            sides.append(f"(exists (select 1 from {parent} as parent_row where parent_row.{key} = {table}.{column}))")
        if self.condition:
            sides.append(f"({self.condition})")
        return " or ".join(sides)


@dataclass(frozen=True)
class ScopeSetting:
    """Whose rows a transaction sees.

    Args:
        division_lo, division_hi: half-open range of division codes, e.g. ("440802", "440803"); None sees no division.
        towns: nine-digit prefixes to which the range is narrowed; empty for a whole subtree.
        unit_code: the own reporting unit.
        organization_id: the own organization, None for government users.
        account_id: who works; one's own account is always seen.
        all_accounts: every account is seen, for signing in and for the administrators of accounts.
    """

    division_lo: str | None = None
    division_hi: str | None = None
    towns: tuple[str, ...] = ()
    unit_code: str | None = None
    organization_id: int | None = None
    account_id: int | None = None
    all_accounts: bool = False


def whole_city(scope: ScopeSetting | None = None, *, all_accounts: bool = False) -> ScopeSetting:
    """Every division: for what is public, for work on nobody's behalf, for a look beyond a user's own `scope` that a
    rule has allowed."""
    wide = replace(scope or ScopeSetting(), division_lo="0", division_hi=":", towns=())
    return replace(wide, all_accounts=True) if all_accounts else wide


def set_scope(session: Session | Connection, scope: ScopeSetting) -> None:
    """Binds the running transaction to a scope; it ends with the transaction."""
    values: dict[str, Any] = {
        "division_lo": scope.division_lo,
        "division_hi": scope.division_hi,
        "towns": ",".join(scope.towns),
        "unit_code": scope.unit_code,
        "organization_id": scope.organization_id,
        "account_id": scope.account_id,
        "all_accounts": "true" if scope.all_accounts else None,
    }
    session.execute(
        text("select " + ", ".join(f"set_config('huiyang.{name}', :{name}, true)" for name in values)),
        {name: "" if value is None else str(value) for name, value in values.items()},
    )


@contextmanager
def wider(session: Session, scope: ScopeSetting, wide: ScopeSetting) -> Iterator[None]:
    """Widens the transaction's scope for a step that a rule has allowed, such as an account that belongs nowhere yet,
    or an organization looked up by its public code.

    Args:
        scope: what the transaction goes back to.
    """
    set_scope(session, wide)
    try:
        yield
        session.flush()
    finally:
        if session.is_active:
            set_scope(session, scope)


#: Logins beside the app that see every row, and what they may do.
UNSCOPED_LOGINS = {"huiyang_loader": "all"}


def policy_ddl(schema: str, table: str, scope: Scope) -> list[str]:
    """Statements that bind one table to its scope."""
    name = f"{schema}.{table}"
    predicate = scope.predicate(table)
    statements = [
        f"alter table {name} enable row level security",
        f"alter table {name} force row level security",
        f"create policy app_scope on {name} to huiyang_app using ({predicate}) with check ({predicate})",
    ]
    statements += [
        f"create policy {login} on {name} for {verbs} to {login} using (true) with check (true)"
        for login, verbs in UNSCOPED_LOGINS.items()
    ]
    return statements
