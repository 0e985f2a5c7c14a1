"""From an account to the rows that it sees."""

from __future__ import annotations

from huiyang.divisions import ReportingUnit, division_tree, subtree_range
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.models import Account

_TOWN_DIGITS = 9


def scope_of(account: Account) -> ScopeSetting:
    """The account's scope: a division's subtree, a reporting unit's towns, or the own organization.

    An account with none of them (the administrators) sees no business row.
    """
    if account.organization_id is not None:
        return ScopeSetting(organization_id=account.organization_id, account_id=account.id)
    if account.unit_code is not None:
        towns = _unit(account.unit_code).town_codes
        ranges = [subtree_range(code) for code in towns]
        return ScopeSetting(
            division_lo=min(lo for lo, _ in ranges),
            division_hi=max(hi for _, hi in ranges),
            towns=tuple(sorted(code[:_TOWN_DIGITS] for code in towns)),
            account_id=account.id,
        )
    if account.division_code is not None:
        lo, hi = subtree_range(account.division_code)
        return ScopeSetting(division_lo=lo, division_hi=hi, account_id=account.id)
    return ScopeSetting(account_id=account.id)


def scope_label(account: Account, organization_name: str | None = None) -> str:
    """The scope in words, for the page's head."""
    if account.organization_id is not None:
        return organization_name or "所在单位"
    if account.unit_code is not None:
        return _unit(account.unit_code).name
    if account.division_code is not None:
        return division_tree()[account.division_code].name
    return "平台"


def _unit(code: str) -> ReportingUnit:
    return next(unit for unit in division_tree().reporting_units if unit.code == code)
