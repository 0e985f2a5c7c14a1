"""All business areas, change log, row-level security. The SQL beside this file is written by `operational_app.schema`.

Revision: 0001
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split("\n;\n"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
