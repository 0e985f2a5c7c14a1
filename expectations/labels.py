"""Chinese names of columns, from the one place where they are written: `dbt_project/column_texts.yml`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from huiyang.settings import PROJECT_ROOT

_TEXTS = PROJECT_ROOT / "dbt_project" / "column_texts.yml"
_REMARK = re.compile(r"（.*", re.DOTALL)


@cache
def _texts() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    return content


def column_label(table: str, column: str) -> str:
    """The name of a column without its remarks: `居住情况`.

    Raises:
        KeyError: the table or the column is not described.
    """
    text = _texts()["tables"][table]["columns"].get(column) or _texts()["common"][column]
    return _REMARK.sub("", str(text)).strip()
