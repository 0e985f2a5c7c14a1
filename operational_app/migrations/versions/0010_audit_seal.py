"""The audit trail is sealed: batches, their events, what waits; who may read it, and which columns an act may fill.

Revision: 0010
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split("\n;\n"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
