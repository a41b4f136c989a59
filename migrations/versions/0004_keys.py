"""Which keys the data was written under."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    _run("keys")


def downgrade() -> None:
    """Take it back."""
    _run("keys_down")


def _run(name: str) -> None:
    # Through the driver itself: SQLAlchemy prepares every statement, and a script cannot be prepared.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_name(f"0004_{name}.sql").read_text()))
