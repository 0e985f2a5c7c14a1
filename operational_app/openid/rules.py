"""What an application may register, and what may be asked of a sign-in; without a database."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

MOST_ADDRESSES = 20
_LONGEST_ADDRESS = 500
_ROLE_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,39}")


def address_problem(address: str) -> str | None:
    """Why an address of an application cannot be used, in Chinese; None if it can.

    https, or http on the user's own machine (RFC 8252, 7.3); no fragment (RFC 6749, 3.1.2), credentials or wildcard.
    """
    if not address.isascii() or len(address) > _LONGEST_ADDRESS or re.search(r"[\s\x00-\x1f\x7f\\\"<>*]", address):
        return f"地址“{address[:60]}”含有不允许的字符，或者超过 {_LONGEST_ADDRESS} 个字符。"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return f"地址“{address[:60]}”不是正确的网址。"
    if not host or "@" in parts.netloc:
        return f"地址“{address[:60]}”不是正确的网址。"
    if "#" in address:
        return f"地址“{address[:60]}”不能带 # 部分。"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return f"地址“{address[:60]}”应以 https:// 开头（只有本机地址可以用 http://）。"
    return None


def is_loopback(host: str) -> bool:
    """Whether a name or address means the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def addresses_problem(addresses: Sequence[str]) -> str | None:
    """The first problem of several addresses."""
    if len(addresses) > MOST_ADDRESSES:
        return f"地址不能超过 {MOST_ADDRESSES} 个。"
    return next(filter(None, map(address_problem, addresses)), None)


def role_code_problem(code: str) -> str | None:
    """Why a role's code cannot be used; it stands in tokens, so it is short ASCII."""
    if _ROLE_CODE.fullmatch(code):
        return None
    return "角色代码应以小写字母开头，只含小写字母、数字和 _ . -，不超过 40 位。"


def asked_age_seconds(raw: str | None) -> int | None:
    """`max_age` of a request (OpenID Connect Core, 3.1.2.1): seconds since the sign-in; None if not asked.

    Raises:
        ValueError: not a whole number from 0.
    """
    if raw is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", raw):
        raise ValueError(raw)
    return int(raw)
