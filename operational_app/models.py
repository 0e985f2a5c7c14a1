"""Every model of every area, imported once so that the metadata is whole."""

from operational_app.api import models as api
from operational_app.assessments import models as assessments
from operational_app.audit import models as audit
from operational_app.codes import models as codes
from operational_app.collection import models as collection
from operational_app.devices import models as devices
from operational_app.elders import models as elders
from operational_app.facilities import models as facilities
from operational_app.family_beds import models as family_beds
from operational_app.fix_tasks import models as fix_tasks
from operational_app.health import models as health
from operational_app.home_service import models as home_service
from operational_app.identity import models as identity
from operational_app.inbox import models as inbox
from operational_app.institutions import models as institutions
from operational_app.joining import models as joining
from operational_app.openid import models as openid
from operational_app.organizations import models as organizations
from operational_app.periods import models as periods
from operational_app.reference import models as reference
from operational_app.rule_catalogue import models as rule_catalogue
from operational_app.workbench import models as workbench
from operational_app.workforce import models as workforce

__all__ = [
    "api", "assessments", "audit", "codes", "collection", "devices", "elders", "facilities", "family_beds",
    "fix_tasks", "health", "home_service", "identity", "inbox", "institutions", "joining", "openid", "organizations",
    "periods", "reference", "rule_catalogue", "workbench", "workforce",
]  # fmt: skip
