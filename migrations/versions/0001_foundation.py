"""The first schema: our tables, the functions that guard and erase, and PgQueuer's own tables."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    for name in ("tables", "functions", "pgqueuer"):
        _run(name)


def downgrade() -> None:
    """Drop everything."""
    _run("down")


def _run(name: str) -> None:
    # Through the driver itself: SQLAlchemy prepares every statement, and a script cannot be prepared.
    # The transaction is open already, as Alembic has read its own table in it.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_name(f"0001_{name}.sql").read_text()))
