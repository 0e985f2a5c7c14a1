"""The operational database as it is after migration: against the models, the change log, row-level security.

Everything here works as the logins that serve; the superuser only looks.
"""

from __future__ import annotations

import re
import threading

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from huiyang.database import Login, connect, sqlalchemy_url
from huiyang.server import admin_connect
from operational_app.core.base import Base, Tracked
from operational_app.core.changelog import log_tables
from operational_app.schema import migrate_to_head

pytestmark = pytest.mark.any_postgres

CHIKAN, XIASHAN = "440802000000", "440803000000"


@pytest.fixture
def two_elders(installation):
    """One elder in 赤坎区, one in 霞山区, and an organization that cares for the first: (elder ids, organization)."""
    with connect(Login.LOADER, installation) as loader:
        for code, name in ((CHIKAN, "赤坎区"), (XIASHAN, "霞山区")):
            loader.execute(
                "insert into reference.division (division_code, name, full_name, level)"
                " values (%s, %s, %s, 'county') on conflict do nothing",
                [code, name, name],
            )
        elders = [
            loader.execute(
                "insert into elders.elder (name, sex, id_number_status, phone_status, division_code, has_address,"
                " living_arrangement, economic_category, registered_on)"
                " values ('陈一', 'female', 'missing', 'missing', %s, false, 'alone', 'ordinary', '2024-01-01')"
                " returning id",
                [code],
            ).fetchone()[0]
            for code in (CHIKAN, XIASHAN)
        ]
        organization = loader.execute(
            "insert into organizations.organization (name, name_pinyin, name_initials, credit_code_status,"
            " division_code, contact_phone_status) values ('甲', 'jia', 'j', 'missing', %s, 'missing') returning id",
            [XIASHAN],
        ).fetchone()[0]
        loader.execute(
            "insert into elders.care_relation (elder_id, organization_id, division_code, kind, started_on)"
            " values (%s, %s, %s, 'home_service', '2024-01-01')",
            [elders[0], organization, CHIKAN],
        )
    return elders, organization


def visible(connection: psycopg.Connection, elders: list[int], **scope: object) -> set[int]:
    """Which of `elders` a transaction of that scope sees."""
    with connection.transaction():
        for name, value in scope.items():
            connection.execute("select set_config(%s, %s, true)", [f"huiyang.{name}", str(value)])
        rows = connection.execute("select id from elders.elder where id = any(%s)", [elders]).fetchall()
    return {row[0] for row in rows}


def test_migrated_database_is_what_the_models_say(installation):
    engine = create_engine(sqlalchemy_url(Login.OWNER, installation))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                # Month partitions, and the log's own index on event tables, are made beyond the models.
                "include_name": lambda name, kind, parents: (
                    not (
                        (kind == "schema" and name in {"changelog", "alembic", "migration", "maintenance", "public"})
                        or (kind == "table" and re.search(r"_\d{4}_\d{2}$", name))
                        or (kind == "index" and name.endswith("change_txid"))
                    )
                ),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_change_log_has_every_column_but_the_personal_ones(installation):
    personal = {
        (mapper.local_table.name, column.name)
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, Tracked)
        for column in mapper.local_table.columns
        if column.info.get("personal")
    }
    assert ("elder", "name") in personal and ("elder", "id_number_index") in personal
    with admin_connect(installation, "app") as connection:
        rows = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'changelog'"
        ).fetchall()
    logged = set(rows)
    assert not personal & logged
    assert logged == {(log.name, column) for log in log_tables() for column, _ in log.all_columns}


def test_every_business_table_is_forced_under_row_security(installation):
    scoped = {m.local_table.fullname for m in Base.registry.mappers if m.class_.scope is not None}
    with admin_connect(installation, "app") as connection:
        rows = connection.execute(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relrowsecurity and c.relforcerowsecurity"
        ).fetchall()
    assert scoped <= {row[0] for row in rows}
    unscoped = {m.local_table.fullname for m in Base.registry.mappers} - scoped
    assert {name.split(".")[0] for name in unscoped} <= {
        "reference",
        "identity",
        "audit",
        "inbox",
        "home_service",
        "codes",
        "workbench",
        "periods",  # of the whole city, of no person
        "fix_tasks",
        "rule_catalogue",  # of the whole city, of no person
    }
    assert {name for name in unscoped if name.startswith(("home_service", "codes", "workbench", "fix_tasks"))} == {
        "workbench.announcement",
        "codes.serial_counter",
        "home_service.service_category",
        "home_service.service_item",
        "fix_tasks.verification",
    }


def test_scope_decides_who_is_seen_and_fails_closed(installation, two_elders):
    elders, organization = two_elders
    with connect(Login.APP, installation, autocommit=True) as app:
        assert visible(app, elders) == set()
        assert visible(app, elders, division_lo="440802", division_hi="440803") == {elders[0]}
        assert visible(app, elders, division_lo="4408", division_hi="4409") == set(elders)
        assert visible(app, elders, division_lo="4408", division_hi="4409", towns="440803000") == {elders[1]}
        assert visible(app, elders, organization_id=organization) == {elders[0]}
        assert visible(app, elders, organization_id=organization + 1) == set()
        # The scope ended with its transaction: the pooled connection carries nothing over.
        assert visible(app, elders) == set()


def test_nobody_writes_outside_the_own_scope(installation, two_elders):
    elders, _ = two_elders
    with connect(Login.APP, installation) as app:
        app.execute(
            "select set_config('huiyang.division_lo', '440802', true),"
            " set_config('huiyang.division_hi', '440803', true)"
        )
        assert app.execute("update elders.elder set ethnicity = '汉族' where id = any(%s)", [elders]).rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("update elders.elder set division_code = %s where id = %s", [XIASHAN, elders[0]])


def test_the_app_cannot_delete_nor_touch_the_log(installation, two_elders):
    for statement in (
        "delete from elders.elder",
        "select * from changelog.elder",
        "update audit.audit_event set outcome = 'x'",
        "update home_service.order_event set reason = 'x'",
        "insert into inbox.release_result default values",
        "alter table elders.elder disable row level security",
    ):
        with connect(Login.APP, installation) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement)


def test_the_extract_login_reads_the_log_and_nothing_else(installation, two_elders):
    with connect(Login.EXTRACT, installation, autocommit=True) as extract:
        assert extract.execute("select count(*) from changelog.elder").fetchone()[0] >= 2
        for statement in (
            "select 1 from elders.elder",
            "select 1 from audit.audit_event",
            "delete from changelog.elder",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                extract.execute(statement)


def test_each_change_is_logged_once_with_its_transaction(installation, two_elders):
    elders, _ = two_elders
    with connect(Login.LOADER, installation) as loader:
        txid = loader.execute("select pg_current_xact_id()::text::bigint").fetchone()[0]
        loader.execute("update elders.elder set education = '小学' where id = any(%s)", [elders])
    with connect(Login.EXTRACT, installation) as extract:
        rows = extract.execute(
            "select id, change_op, education from changelog.elder where change_txid = %s order by id", [txid]
        ).fetchall()
    assert rows == [(elder, "U", "小学") for elder in sorted(elders)]


def test_a_reader_below_the_oldest_transaction_loses_no_late_commit(installation, two_elders):
    """Two writers, the first commits last: its change must not fall between two reads."""
    elders, _ = two_elders
    with connect(Login.LOADER, installation) as early, connect(Login.LOADER, installation) as late:
        slow = early.execute("update elders.elder set education = '初中' where id = %s returning 1", [elders[0]])
        assert slow.fetchone()
        late.execute("update elders.elder set education = '高中' where id = %s", [elders[1]])
        late.commit()
        with connect(Login.EXTRACT, installation) as extract:
            oldest = extract.execute("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()[0]
            first = extract.execute(
                "select id, education from changelog.elder where change_txid < %s", [oldest]
            ).fetchall()
        early.commit()
        with connect(Login.EXTRACT, installation) as extract:
            second = extract.execute(
                "select id, education from changelog.elder where change_txid >= %s", [oldest]
            ).fetchall()
    assert {(elders[0], "初中"), (elders[1], "高中")} <= set(second)
    assert not {(elders[0], "初中"), (elders[1], "高中")} & set(first)


def test_one_bed_never_holds_two_residents_whatever_the_concurrency(installation, two_elders):
    elders, organization = two_elders
    with connect(Login.LOADER, installation) as loader:
        institution = loader.execute(
            "insert into institutions.institution (organization_id, division_code, institution_type, nature,"
            " operating_status) values (%s, %s, 'nursing_home', 'private', 'operating') returning id",
            [organization, XIASHAN],
        ).fetchone()[0]
        building = loader.execute(
            "insert into institutions.building (institution_id, name) values (%s, 'A') returning id", [institution]
        ).fetchone()[0]
        room = loader.execute(
            "insert into institutions.room (building_id, floor, name) values (%s, 1, '101') returning id", [building]
        ).fetchone()[0]
        bed = loader.execute(
            "insert into institutions.bed (institution_id, room_id, name, kind) values (%s, %s, '1', 'nursing')"
            " returning id",
            [institution, room],
        ).fetchone()[0]
    outcomes: list[str] = []

    def admit(elder: int) -> None:
        for _ in range(2):  # PostgreSQL may end one of the two as deadlocked instead; asked again, it is refused
            try:
                with connect(Login.LOADER, installation) as connection:
                    connection.execute(
                        "insert into institutions.residency (institution_id, bed_id, elder_id, admitted_on)"
                        " values (%s, %s, %s, '2026-01-01')",
                        [institution, bed, elder],
                    )
                outcomes.append("admitted")
            except psycopg.errors.DeadlockDetected:
                continue
            except psycopg.errors.ExclusionViolation:
                outcomes.append("refused")
            return

    threads = [threading.Thread(target=admit, args=[elder]) for elder in elders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["admitted", "refused"]


def test_month_partitions_follow_shanghai_time(installation):
    with connect(Login.LOADER, installation) as loader:
        made = "select maintenance.ensure_month_partitions('health.vital_sign', '2014-01-15', '2014-02-01')"
        assert loader.execute(made).fetchone()[0] == 2
        assert loader.execute(made).fetchone()[0] == 0
        loader.execute(
            "insert into health.vital_sign (elder_id, division_code, kind, value_1, measured_at)"
            " values (1, %s, 'heart_rate', 70, '2014-01-31 23:59:59+08'),"
            " (1, %s, 'heart_rate', 71, '2014-02-01 00:00+08')",
            [CHIKAN, CHIKAN],
        )
        loader.commit()
        with pytest.raises(psycopg.errors.RaiseException):
            loader.execute("select maintenance.ensure_month_partitions('pg_class', '2024-01-01', '2024-01-01')")
    with admin_connect(installation, "app") as admin:
        january = admin.execute("select value_1 from health.vital_sign_2014_01").fetchall()
    assert [int(row[0]) for row in january] == [70]


def test_migrating_again_changes_nothing(installation):
    migrate_to_head(installation)
    migrate_to_head(installation)
