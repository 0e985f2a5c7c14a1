"""A code that is issued or revoked changes what is on paper, not since when the record is true: `effective_at` stays.

Revision: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
create or replace function codes.show_issued() returns trigger language plpgsql set search_path = '' as $$
begin
    if exists (select 1 from changed where elder_id is not null) then
        update elders.elder as subject set elder_code = changed.code
        from changed where changed.elder_id = subject.id and changed.revoked_at is null;
    end if;
    if exists (select 1 from changed where bed_id is not null) then
        update institutions.bed as subject set bed_code = changed.code
        from changed where changed.bed_id = subject.id and changed.revoked_at is null;
    end if;
    if exists (select 1 from changed where organization_id is not null) then
        update organizations.organization as subject set organization_code = changed.code
        from changed where changed.organization_id = subject.id and changed.revoked_at is null;
    end if;
    return null;
end $$
    """,
    """
create or replace function codes.hide_revoked() returns trigger language plpgsql set search_path = '' as $$
begin
    update elders.elder as subject set elder_code = null
    from changed
    where changed.revoked_at is not null and subject.id = changed.elder_id and subject.elder_code = changed.code;
    update institutions.bed as subject set bed_code = null
    from changed
    where changed.revoked_at is not null and subject.id = changed.bed_id and subject.bed_code = changed.code;
    update organizations.organization as subject set organization_code = null
    from changed
    where changed.revoked_at is not null and subject.id = changed.organization_id
        and subject.organization_code = changed.code;
    return null;
end $$
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
