"""The loader takes ranges of identity keys before it writes: encrypted fields are bound to their row's key.

Revision: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: The areas of revision 0001; not the models', which go on.
_AREAS = (
    "assessments", "devices", "elders", "facilities", "family_beds", "health", "home_service", "institutions",
    "organizations", "reference", "workforce",
)  # fmt: skip


def upgrade() -> None:
    for area in _AREAS:
        op.execute(f"grant usage on all sequences in schema {area} to huiyang_loader")
