"""What the warehouse publishes: relations, columns and their Chinese texts, read from the dbt contract.

The texts stand once, in dbt; labels, tooltips and the definitions (口径) on a cockpit are taken from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from huiyang.settings import PROJECT_ROOT

MARTS_DIR = PROJECT_ROOT / "dbt_project" / "models" / "marts"
#: What `published` holds beside the marts.
BESIDE_MARTS_FILE = Path(__file__).parent / "assets" / "beside_marts.yaml"

#: Publishing adds these to every mart (header of _marts.yml).
_ADDED = {
    "lane": ("text", "通道（official 正式、provisional 快报）"),
    "release_id": ("bigint", "版本号"),
    "as_of": ("timestamptz", "数据截止时间"),
}
#: The C loader where PyYAML has it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LABEL_ENDS = re.compile("[：，；。]|（(?!市、区）)")


@dataclass(frozen=True)
class Column:
    """A published column: its SQL type, and its text, which begins with its label."""

    name: str
    data_type: str
    text: str

    @property
    def label(self) -> str:
        """The text up to its first punctuation, but 县（市、区） is one word: 在册老人数：期末在册… -> 在册老人数."""
        return _LABEL_ENDS.split(self.text, maxsplit=1)[0].removeprefix("其中").strip()


@dataclass(frozen=True)
class Relation:
    """A published relation."""

    name: str
    text: str
    columns: Mapping[str, Column]


def load_contract() -> dict[str, Relation]:
    """Relation name -> relation, for everything in schema `published`."""
    relations: dict[str, Relation] = {}
    for path in [*sorted(MARTS_DIR.glob("*.yml")), BESIDE_MARTS_FILE]:
        for model in yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER).get("models") or []:
            columns = {c["name"]: Column(c["name"], c["data_type"], c["description"]) for c in model["columns"]}
            if path != BESIDE_MARTS_FILE:
                columns |= {name: Column(name, *rest) for name, rest in _ADDED.items()}
            relations[model["name"]] = Relation(model["name"], model["description"], columns)
    return relations
