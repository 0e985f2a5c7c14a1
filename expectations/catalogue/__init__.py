"""The rule catalogue: what must hold for the records of a period, one module a theme.

A new rule goes to its theme's module; a failing case in `tests/integration/expectations_cases.py` is required.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any

from expectations.catalogue import (
    elders,
    facilities,
    family_beds,
    health,
    home_service,
    institutions,
    registers,
    workforce,
)
from expectations.catalogue.building_blocks import key_rule, lookups_for
from expectations.figures import ACCEPTANCE
from expectations.required_fields import RequiredFieldsVersion, read_versions, required_rules, version_for
from expectations.rule import Rule, Subject

_MODULES = (elders, institutions, facilities, family_beds, home_service, health, workforce, registers)

SUBJECTS: tuple[Subject, ...] = tuple(subject for module in _MODULES for subject in module.SUBJECTS)


@dataclass(frozen=True)
class Catalogue:
    """The rules in force at a period's end, by subject in the order of the themes."""

    rules: tuple[Rule, ...]
    required_fields: RequiredFieldsVersion

    def of(self, subject: Subject) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.subject is subject)

    def __getitem__(self, rule_id: str) -> Rule:
        return self._by_id[rule_id]

    @property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def content(self) -> dict[str, Any]:
        """Everything that decides a verdict, and what people read of it: what is told to the app and approved there.

        Texts only, in a stable order: `acceptance`, `required_fields` (version, days, basis, registers), `rules` (one
        mapping a rule, in the order of the themes).
        """
        version = self.required_fields
        return {
            "acceptance": ACCEPTANCE,
            "required_fields": {
                "version": version.version,
                "effective_from": version.effective_from.isoformat(),
                "effective_until": version.effective_until.isoformat() if version.effective_until else "",
                "basis": version.basis,
                "registers": "、".join(version.registers),
            },
            "rules": [_told(rule) for rule in self.rules],
        }

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the content: two runs with the same one judged alike."""
        text = json.dumps(self.content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _told(rule: Rule) -> dict[str, str]:
    compared = [
        f"{name} = {expression}\n{lookup.join}".strip()
        for lookup in lookups_for(rule.subject, [rule])
        for name, expression in lookup.columns.items()
    ]
    return {
        "id": rule.id,
        "theme": rule.theme.value,
        "record": rule.subject.name,
        "dimension": rule.dimension.value,
        "severity": rule.severity.value,
        "title": rule.title,
        "definition": rule.definition,
        "applies": rule.applies,
        "violated": rule.violated,
        "compared": "\n\n".join(compared),
        "owner": rule.owner.value,
        "recommendation": rule.recommendation,
    }


@cache
def catalogue_for(period_end: date) -> Catalogue:
    """The catalogue for a period that ends on a day.

    Raises:
        HuiyangError: no version of the required fields is in force then.
    """
    version = version_for(period_end)
    unknown = set(version.tables) - {subject.table for subject in SUBJECTS}
    assert not unknown, f"required fields name tables that no subject has: {unknown}"
    specific = [rule for module in _MODULES for rule in module.RULES]
    rules: list[Rule] = []
    for subject in SUBJECTS:
        rules.append(key_rule(subject))
        rules += [rule for rule in specific if rule.subject is subject]
        rules += required_rules(subject, version)
    ids = [rule.id for rule in rules]
    assert len(ids) == len(set(ids)), "two rules share an id"
    return Catalogue(tuple(rules), version)


def catalogues() -> tuple[Catalogue, ...]:
    """The catalogue of each version of the required fields."""
    return tuple(catalogue_for(version.effective_from) for version in read_versions())
