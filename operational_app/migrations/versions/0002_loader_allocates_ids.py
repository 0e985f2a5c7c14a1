"""The loader takes ranges of identity keys before it writes: encrypted fields are bound to their row's key.

Revision: 0002
"""

from alembic import op

from operational_app.core.base import Base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for area in sorted({str(table.schema) for table in Base.metadata.tables.values()} - {"audit", "inbox", "identity"}):
        op.execute(f"grant usage on all sequences in schema {area} to huiyang_loader")
