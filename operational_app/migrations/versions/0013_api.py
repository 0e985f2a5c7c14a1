"""Idempotency keys of the REST API; which applications may call it in a person's name.

Revision: 0013
"""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split("\n;\n"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
