"""Webhooks as they came, each kept once."""

from collections.abc import Sequence

from sqlalchemy.dialects.postgresql import insert

from app.store.repository import Repository
from app.store.tables import InboxRow


class Inbox(Repository):
    """Webhooks by vendor and the vendor's own id of the delivery."""

    table = "inbox"

    async def receive(
        self,
        *,
        vendor: str,
        external_id: str,
        hotel_id: str | None,
        body: bytes,
        subjects: Sequence[bytes] = (),
    ) -> bool:
        """Keep a verified webhook's raw body; false where this delivery is here already."""
        payload = self._cipher.seal("payload", body, hotel_id=hotel_id, row=f"{vendor}|{external_id}")
        statement = insert(InboxRow).values(
            vendor=vendor,
            external_id=external_id,
            hotel_id=hotel_id,
            payload=payload,
            subjects=sorted(set(subjects)),
        )
        received = await self._session.scalar(statement.on_conflict_do_nothing().returning(InboxRow.external_id))
        return received is not None
