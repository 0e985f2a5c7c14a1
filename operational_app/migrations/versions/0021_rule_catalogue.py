"""The catalogues of quality rules that were in force, and their approvals.

Revision: 0021
"""

from pathlib import Path

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split("\n;\n"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
