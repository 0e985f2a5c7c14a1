"""The rule catalogue: what must hold for the records of a period, one module a theme.

A new rule goes to its theme's module; a failing case in `tests/integration/expectations_cases.py` is required.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache

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
from expectations.catalogue.building_blocks import key_rule
from expectations.required_fields import RequiredFieldsVersion, required_rules, version_for
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

    @property
    def sha256(self) -> str:
        """Fingerprint of everything that decides a verdict: two runs with the same one judged alike."""
        text = "\n".join(
            "\x1f".join((rule.id, rule.severity, rule.applies, rule.violated, repr(rule.subject.lookups)))
            for rule in self.rules
        )
        return hashlib.sha256(text.encode()).hexdigest()


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
