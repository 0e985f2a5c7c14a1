"""How values are written on a page."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from huiyang.divisions import division_tree
from huiyang.settings import BUSINESS_TIMEZONE

NOTHING = "—"
_CENT = Decimal("0.01")
#: Tokens of user agents; the first one found counts, since each names those after it too.
_BROWSERS = {
    "MicroMessenger": "微信",
    "Edg": "Edge",
    "HeadlessChrome": "Chrome",
    "Chrome": "Chrome",
    "Firefox": "Firefox",
    "Version": "Safari",
}
_SYSTEMS = {
    "Android": "安卓",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "Linux": "Linux",
}
#: Shares that decide something: nothing, the allowed error rate, everything.
_THRESHOLDS = (Decimal(0), Decimal(1), Decimal(100))


def number(value: int | Decimal | None) -> str:
    """1234567 → 1,234,567; a decimal without trailing zeros."""
    if value is None:
        return NOTHING
    shown = f"{value:,}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def yuan(value: Decimal | None) -> str:
    """Two decimals and thousands: 1,234.50."""
    return NOTHING if value is None else f"{value:,.2f}"


def day(value: date | None) -> str:
    return NOTHING if value is None else value.isoformat()


def minute(value: datetime | None) -> str:
    """Date and time in Zhanjiang: 2026-10-31 08:05."""
    return NOTHING if value is None else value.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%d %H:%M")


def second(value: datetime | None) -> str:
    """Date and time in Zhanjiang to the second: 2026-10-31 08:05:09."""
    return NOTHING if value is None else value.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%d %H:%M:%S")


def yes_no(value: bool | None) -> str:
    return NOTHING if value is None else "是" if value else "否"


def text(value: Any) -> Any:
    """The value as it is, or a dash for what is not stated."""
    return NOTHING if value is None or value == "" else value


def fee_range(lowest: Decimal | None, highest: Decimal | None) -> str:
    """Two limits in yuan: 1,000.00 – 2,500.00."""
    if lowest is None and highest is None:
        return NOTHING
    if lowest is None or highest is None or lowest == highest:
        return yuan(highest if lowest is None else lowest)
    return f"{yuan(lowest)} – {yuan(highest)}"


def percent(numerator: int | None, denominator: int | None) -> str:
    """A share with two decimals that never looks as if it had crossed a threshold: 99.999 % is 99.99 %, not 100 %."""
    if numerator is None or not denominator:
        return NOTHING
    exact = Decimal(100) * numerator / denominator
    shown = exact.quantize(_CENT, ROUND_HALF_EVEN)
    if shown in _THRESHOLDS and shown != exact:
        shown += _CENT if exact > shown else -_CENT
    return f"{shown}%"


def division(code: str | None) -> str:
    """From the county down, since names repeat: 赤坎区寸金街道中山社区居委会."""
    if code is None or code not in division_tree():
        return NOTHING
    found = division_tree()[code]
    name = found.full_name.removeprefix(division_tree().root.name) or found.name
    return name.replace("居民委员会", "居委会").replace("村民委员会", "村委会")


def age_on(birth: date | None, on: date) -> int | None:
    """Full years (周岁)."""
    if birth is None:
        return None
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def browser(user_agent: str | None) -> str:
    """What a person would call their browser: Chrome 128（Android）. Unknown ones are as they call themselves."""
    if not user_agent:
        return NOTHING
    found = next(filter(None, (re.search(rf"{token}/(\d+)", user_agent) for token in _BROWSERS)), None)
    system = next((name for token, name in _SYSTEMS.items() if token in user_agent), "")
    if found is None:
        return user_agent[:40]
    name = f"{_BROWSERS[found[0].split('/')[0]]} {found[1]}"
    return f"{name}（{system}）" if system else name


def mask_id_number(value: str | None) -> str:
    """The first four and the last four: 4408**********123X."""
    return _mask(value, 4, 4)


def mask_phone(value: str | None) -> str:
    """The first three and the last four: 138****1234."""
    return _mask(value, 3, 4)


def _mask(value: str | None, head: int, tail: int) -> str:
    if not value:
        return NOTHING
    if len(value) <= head + tail:
        return "*" * len(value)
    return value[:head] + "*" * (len(value) - head - tail) + value[-tail:]
