"""Who cares for whom, as the facts that were loaded show: what lets an organization see its elders."""

from __future__ import annotations

from datetime import date

import psycopg

#: An organization that visited somebody this long ago no longer cares for the person.
HOME_SERVICE_DAYS = 180

#: One row per elder, organization and kind: since the first fact; until the last one ended, empty while one goes on.
_FACTS = """
select r.elder_id, i.organization_id, i.division_code, 'residency' as kind,
    min(r.admitted_on) as started_on,
    case when bool_or(r.discharged_on is null) then null else max(r.discharged_on) end as ended_on
from institutions.residency r join institutions.institution i on i.id = r.institution_id
group by 1, 2, 3
union all
select b.elder_id, b.organization_id, max(b.division_code), 'family_bed', min(b.opened_on),
    case when bool_or(b.closed_on is null) then null else max(b.closed_on) end
from family_beds.family_bed b where b.opened_on is not null
group by 1, 2
union all
select o.elder_id, o.provider_id, max(o.division_code), 'home_service',
    min(coalesce(o.started_at, o.requested_at))::date,
    case
        when max(coalesce(o.started_at, o.requested_at))::date > %(as_of)s::date - %(days)s then null
        else max(coalesce(o.started_at, o.requested_at))::date + %(days)s
    end
from home_service.service_order o where o.status not in ('cancelled', 'returned', 'void')
group by 1, 2
"""

_INSERT = """
insert into elders.care_relation
    (elder_id, organization_id, division_code, kind, started_on, ended_on, effective_at)
select f.elder_id, f.organization_id, f.division_code, f.kind, f.started_on, f.ended_on,
    f.started_on::timestamp at time zone 'Asia/Shanghai'
from facts f
where not exists (
    select 1 from elders.care_relation c
    where c.elder_id = f.elder_id and c.organization_id = f.organization_id and c.kind = f.kind
)
"""

_UPDATE = """
update elders.care_relation c
set started_on = f.started_on, ended_on = f.ended_on, row_version = c.row_version + 1,
    effective_at = %(as_of)s::date::timestamp at time zone 'Asia/Shanghai'
from facts f
where c.elder_id = f.elder_id and c.organization_id = f.organization_id and c.kind = f.kind
    and (c.started_on, c.ended_on) is distinct from (f.started_on, f.ended_on)
"""


def derive_care_relations(connection: psycopg.Connection, as_of: date) -> int:
    """Makes and ends care relations, in one transaction; a second call changes nothing.

    Args:
        as_of: the day of the export; home service counts as going on for `HOME_SERVICE_DAYS` after a visit.

    Returns:
        rows inserted or changed.
    """
    parameters = {"as_of": as_of, "days": HOME_SERVICE_DAYS}
    connection.execute("set local timezone = 'Asia/Shanghai'")
    changed = connection.execute(f"with facts as ({_FACTS}) {_UPDATE}", parameters).rowcount
    made = connection.execute(f"with facts as ({_FACTS}) {_INSERT}", parameters).rowcount
    connection.commit()
    return changed + made
