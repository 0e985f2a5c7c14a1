"""The list 规则目录."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from operational_app.fix_tasks.models import OWNERS
from operational_app.identity.access import Resource
from operational_app.inbox.models import RuleResult
from operational_app.inbox.queries import SEVERITIES, THEMES, latest_release, sees_whole_city
from operational_app.rule_catalogue.queries import catalogue_in_force
from operational_app.web.back_office import ArchiveView, Found, ListCall, column
from operational_app.web.filters import ChoiceFilter, TextFilter

#: GB/T 36344-2018, as expectations.rule.Dimension names them.
DIMENSIONS = ("规范性", "完整性", "准确性", "准确性（唯一性）", "一致性", "时效性")


@dataclass(frozen=True)
class RuleRow:
    """A rule, and how many records broke it in the newest release; None where that is not known or not to be seen."""

    id: str
    parts: Mapping[str, str]
    violations: int | None


class RuleView(ArchiveView):
    key = "rules"
    menu_label = "规则目录"
    resource = Resource.QUALITY
    list_template = "rule_catalogue/list.html"
    record_address = "/rules/entries/{id}"
    empty_text = "没有符合条件的规则"
    list_filters = (
        TextFilter("words", "问题或编号", placeholder="如 电话、ELD-REQ-phone_status"),
        ChoiceFilter("theme", "主题", tuple((theme, theme) for theme in THEMES)),
        ChoiceFilter("severity", "程度", tuple((value, label) for value, (label, _) in SEVERITIES.items())),
        ChoiceFilter("dimension", "质量维度", tuple((one, one) for one in DIMENSIONS)),
        ChoiceFilter("owner", "责任方", tuple((owner, owner) for owner in OWNERS)),
    )
    fields = (
        column("title", "问题", "record", getter=lambda request, row: row.parts["title"]),
        column("rule_id", "编号", "code", getter=lambda request, row: row.id),
        column("theme", "主题", is_short=True, getter=lambda request, row: row.parts["theme"]),
        column(
            "dimension", "质量维度", is_short=True, on_phone=False, getter=lambda request, row: row.parts["dimension"]
        ),
        column("severity", "程度", "badge", getter=lambda request, row: SEVERITIES[row.parts["severity"]]),
        column("owner", "责任方", is_short=True, on_phone=False, getter=lambda request, row: row.parts["owner"]),
        column(
            "violations", "最近一版不符合", "number", is_number=True, getter=lambda request, row: row.violations
        ),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        catalogue, release = catalogue_in_force(call.session), latest_release(call.session)
        rules = catalogue.content["rules"] if catalogue else []
        asked = dict(call.filters.values)
        words = asked.pop("words", "").lower()
        found = [
            rule for rule in rules
            if all(rule[name] == value for name, value in asked.items())
            and (words in rule["title"].lower() or words in rule["id"].lower())
        ]  # fmt: skip
        counts: dict[str, int] = {}
        if release is not None and sees_whole_city(call.actor.scope):
            counted = select(RuleResult.rule_id, RuleResult.violation_count)
            counts = dict(call.session.execute(counted.where(RuleResult.release_id == release.release_id)).all())
        shown = found[call.skip : call.skip + call.limit]
        return Found([RuleRow(rule["id"], rule, counts.get(rule["id"])) for rule in shown], len(found))
