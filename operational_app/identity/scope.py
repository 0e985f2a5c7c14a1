"""From an account to the rows that it sees."""

from __future__ import annotations

from huiyang.divisions import ReportingUnit, division_tree, subtree_range
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.models import Account, Department

_TOWN_DIGITS = 9


def scope_of(account: Account, department: Department | None, *, all_accounts: bool = False) -> ScopeSetting:
    """The account's scope: its department's division or reporting unit, or the own organization.

    An account with none of them (the administrators) sees no business row.

    Args:
        all_accounts: for the administrators of accounts, whose office is every account.
    """
    if account.organization_id is not None:
        return ScopeSetting(organization_id=account.organization_id, account_id=account.id)
    if department is None:
        return ScopeSetting(account_id=account.id, all_accounts=all_accounts)
    if department.unit_code is not None:
        towns = _unit(department.unit_code).town_codes
        ranges = [subtree_range(code) for code in towns]
        return ScopeSetting(
            division_lo=min(lo for lo, _ in ranges),
            division_hi=max(hi for _, hi in ranges),
            towns=tuple(sorted(code[:_TOWN_DIGITS] for code in towns)),
            unit_code=department.unit_code,
            account_id=account.id,
        )
    lo, hi = subtree_range(department.division_code)
    return ScopeSetting(division_lo=lo, division_hi=hi, account_id=account.id)


def scope_label(account: Account, department: Department | None, organization_name: str | None = None) -> str:
    """The scope in words, for the page's head."""
    if account.organization_id is not None:
        return organization_name or "所在单位"
    if department is None:
        return "平台"
    if department.unit_code is not None:
        return _unit(department.unit_code).name
    return division_tree()[department.division_code].name


def _unit(code: str) -> ReportingUnit:
    return next(unit for unit in division_tree().reporting_units if unit.code == code)
