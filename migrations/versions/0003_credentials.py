"""When each credential was set."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    _run("credentials")


def downgrade() -> None:
    """Take it back."""
    _run("credentials_down")


def _run(name: str) -> None:
    # Through the driver itself: SQLAlchemy prepares every statement, and a script cannot be prepared.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_name(f"0003_{name}.sql").read_text()))
