"""Collection campaigns: filings of institutions and facilities, what was handed in, acts.

Revision: 0012
"""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split("\n;\n"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
