"""Rules as Great Expectations expectations: one custom expectation, whose metrics the library bundles.

All rules of a subject become one query, `select count(*) filter …`, because both metrics are aggregates over the same
table domain. The built-in expectations of the same meaning add a query or two a column (7 queries and 0.70 s for ten
rules over 1.46 million rows, against one query and 0.47 s), and put values into their results; this one never reads a
value, so results and documents built from them are free of personal data.

Importing this module imports Great Expectations, which takes seconds: import it where a gate runs, not above.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

# Usage statistics and progress bars are off: nothing leaves the machine, and nothing is drawn over our own progress.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import parse_result_format
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import metric_partial
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

from expectations.rule import Rule, Severity

# The library's quarter of a million objects live as long as the process. A full collection would walk them all, for
# 0.3 s, and every other gate makes objects enough to start one.
gc.freeze()

_aggregate = metric_partial(
    engine=SqlAlchemyExecutionEngine,
    partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
    domain_type=MetricDomainTypes.TABLE,
)
_VIOLATIONS, _CHECKED = "huiyang.violation_count", "huiyang.checked_count"
_SEVERITY = {
    Severity.CRITICAL: FailureSeverity.CRITICAL,
    Severity.ERROR: FailureSeverity.WARNING,
    Severity.WARNING: FailureSeverity.INFO,
}


def _count_where(predicate: str) -> sa.ColumnElement[int]:
    return sa.func.count().filter(sa.literal_column(predicate))


class ViolationCount(TableMetricProvider):
    """How many rows satisfy a predicate."""

    metric_name = _VIOLATIONS
    value_keys = ("predicate",)

    @_aggregate
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        return _count_where(metric_value_kwargs["predicate"]), metric_domain_kwargs, {}


class CheckedCount(TableMetricProvider):
    """How many rows a rule applies to."""

    metric_name = _CHECKED
    value_keys = ("applies",)

    @_aggregate
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        return _count_where(metric_value_kwargs["applies"]), metric_domain_kwargs, {}


class ExpectNoViolations(BatchExpectation):
    """No row of the subject satisfies the predicate of a violating record."""

    rule_id: str
    predicate: str
    applies: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (_VIOLATIONS, _CHECKED)
    success_keys: ClassVar[tuple[str, ...]] = ("predicate", "applies")

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        """The two metrics. The inherited method finds them too, by copying the configuration some forty times: that
        was two thirds of the library's time over the catalogue."""
        domain = {"batch_id": self.batch_id}
        values = {_VIOLATIONS: {"predicate": self.predicate}, _CHECKED: {"applies": self.applies}}
        return ValidationDependencies(
            metric_configurations={
                name: MetricConfiguration(name, metric_domain_kwargs=domain, metric_value_kwargs=value)
                for name, value in values.items()
            },
            result_format=parse_result_format((runtime_configuration or {}).get("result_format", "BASIC")),
        )

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        return {
            "success": metrics[_VIOLATIONS] == 0,
            "result": {"observed_value": metrics[_VIOLATIONS], "element_count": metrics[_CHECKED]},
        }


def expectation_of(rule: Rule) -> ExpectNoViolations:
    """The rule as an expectation. What else is to be said of a rule stands in the catalogue, under its id."""
    return ExpectNoViolations(
        rule_id=rule.id,
        predicate=rule.predicate,
        applies=rule.applies,
        severity=_SEVERITY[rule.severity],
        description=rule.title,
    )


@dataclass(frozen=True)
class Outcome:
    """What running one rule gave.

    Attributes:
        problem: why it could not run; then the counts mean nothing.
    """

    checked_count: int = 0
    violation_count: int = 0
    problem: str | None = None


class RuleRunner:
    """Runs rules on subjects that stand as tables or views."""

    def __init__(self, url: sa.URL) -> None:
        """Connects lazily.

        Args:
            url: of the driver psycopg2; its search path leads to the subjects.
        """
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        self._context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars=ProgressBarsConfig(globally=False),
                analytics_enabled=False,
            ),
        )
        # It is saved nowhere, but is rendered as YAML for that whenever an asset is added: a third of the fixed cost.
        self._context._save_project_config = _not_saved  # type: ignore[method-assign]
        self._source = self._context.data_sources.add_postgres(
            "warehouse", connection_string=url.render_as_string(hide_password=False)
        )

    def run(self, relation: str, rules: Sequence[Rule]) -> dict[str, Outcome]:
        """Rule id → outcome. If the bundled query fails, each rule runs alone, so that one cannot hide the others."""
        outcomes = self._validate(relation, rules)
        if len(rules) > 1 and any(outcome.problem for outcome in outcomes.values()):
            for rule in rules:
                outcomes |= self._validate(relation, [rule])
        return outcomes

    def _validate(self, relation: str, rules: Sequence[Rule]) -> dict[str, Outcome]:
        name = f"{relation}-{rules[0].id}-{len(rules)}"
        if relation not in self._source.get_asset_names():
            self._source.add_table_asset(relation, table_name=relation)
        definition = self._source.get_asset(relation).add_batch_definition_whole_table(name)
        suite = gx.ExpectationSuite(name=name, expectations=[expectation_of(rule) for rule in rules])
        results = definition.get_batch().validate(suite, result_format="BASIC")
        outcomes = {}
        for result in results.results:
            rule_id = result.expectation_config.kwargs["rule_id"]
            outcomes[rule_id] = _outcome(result)
        return outcomes

    def close(self) -> None:
        """Gives the connections back."""
        self._source.get_engine().dispose()


def _not_saved() -> None:
    pass


def _outcome(result: Any) -> Outcome:
    if "observed_value" in result.result:
        return Outcome(result.result["element_count"], result.result["observed_value"])
    exceptions = [info for info in _flat(result.exception_info) if info.get("raised_exception")]
    message = exceptions[0]["exception_message"] if exceptions else "Great Expectations gave no result"
    # The first line only: a driver's message goes on with the statement and may quote a value.
    return Outcome(problem=str(message).strip().splitlines()[0])


def _flat(info: dict[str, Any]) -> list[dict[str, Any]]:
    """GX gives one exception, or a mapping of metric ids to exceptions."""
    return [info] if "raised_exception" in info else [value for value in info.values() if isinstance(value, dict)]
