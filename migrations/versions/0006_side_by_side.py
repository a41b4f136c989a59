"""Which older versions may serve beside this one."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    _run("side_by_side")


def downgrade() -> None:
    """Take it back."""
    _run("side_by_side_down")


def _run(name: str) -> None:
    # Through the driver itself: SQLAlchemy prepares every statement, and a script cannot be prepared.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_name(f"0006_{name}.sql").read_text()))
