"""What a guest owes: posting charges, folio lines, balances."""

from app.core.adapter import PMSAdapter
from app.core.connectors import Registration
from app.domain.capability import Capability
from app.domain.folio import Balance, ChargeDraft, FolioLine
from app.gateway import changes, invalidation
from app.gateway.reads import Answer, Patience, Read, Reads
from app.gateway.reservations import Reservations
from app.gateway.write import Accepted, Order, Settled
from app.gateway.writes import Writes
from app.store.subjects import Subject

CHARGES_TTL = 60.0


class Folios:
    """The folios of a hotel's reservations."""

    def __init__(self, reads: Reads, reservations: Reservations, writes: Writes) -> None:
        self._reads = reads
        self._reservations = reservations
        self._writes = writes

    async def balance(self, registration: Registration, named: str, patience: Patience) -> Answer[Balance]:
        """Give what is owed now; never from a cache, as money that is asked for must be owed."""
        ref = await self._reservations.resolve(registration, named, Capability.BALANCE, patience)
        read = Read[Balance](
            capability=Capability.BALANCE,
            kind=Balance,
            ask=lambda connector: connector.get_balance(ref),
            params=ref,
            resources=(invalidation.RESERVATIONS,),
        )
        return await self._reads.answer(registration, read, patience)

    async def charges(self, registration: Registration, named: str, patience: Patience) -> Answer[list[FolioLine]]:
        """Give the lines of the folio, by id."""
        ref = await self._reservations.resolve(registration, named, Capability.CHARGE_LIST, patience)

        async def ask(connector: PMSAdapter) -> list[FolioLine]:
            return sorted(await connector.list_charges(ref), key=lambda line: line.id)

        read = Read[list[FolioLine]](
            capability=Capability.CHARGE_LIST,
            kind=list[FolioLine],
            ask=ask,
            params=ref,
            resources=(invalidation.RESERVATIONS,),
            ttl=CHARGES_TTL,
            about=(Subject(reservation_id=ref),),
        )
        return await self._reads.answer(registration, read, patience)

    async def post(
        self, registration: Registration, named: str, draft: ChargeDraft, order: Order
    ) -> Settled | Accepted:
        """Post a charge to a reservation's folio."""
        patience = Patience(order.until)
        ref = await self._reservations.resolve(registration, named, Capability.CHARGE_POST, patience)
        return await self._writes.do(registration, changes.charge(ref, draft), order)
