"""Looking after one connector's connection: what is well, what is not, and what to do about it."""

from app.core import deadline
from app.core.adapter import HealthFinding, PMSAdapter, PropertyFound
from app.domain.causes import Cause
from app.domain.errors import GatewayError
from app.gateway import remedies
from app.gateway.mapping_faults import contract_kept


async def look_after(connector: PMSAdapter, until: float) -> tuple[bool, list[HealthFinding]]:
    """Look after a connection by `until` (monotonic seconds); a broken one is a finding, never an error.

    Gives whether the PMS let itself be asked, and the findings.
    """
    with deadline.until(until):
        try:
            with contract_kept(connector.profile.vendor):
                reached, findings = True, [*await connector.check_health()]
        except GatewayError as error:
            reached, findings = False, [await _failure(connector, error)]
    ahead = connector.client.pms_clock.ahead()
    return reached, findings if ahead is None else [*findings, remedies.clock(ahead)]


async def find_properties(connector: PMSAdapter) -> list[PropertyFound] | None:
    """Give the properties that the credentials open, or None where the PMS cannot tell.

    Raises:
        GatewayError: the PMS could not be asked.
    """
    with contract_kept(connector.profile.vendor):
        return await connector.find_properties()


async def _failure(connector: PMSAdapter, error: GatewayError) -> HealthFinding:
    """Tell what to do; where the property is not there, which ones there are, if the PMS can list them."""
    if remedies.cause_of(error) is not Cause.NOT_FOUND:
        return remedies.failure(error, connector.hotel)
    try:
        found = await find_properties(connector)
    except GatewayError:
        found = None
    if found is None or any(one.id == connector.hotel.property_id for one in found):
        return remedies.failure(error, connector.hotel)
    return remedies.wrong_property(found, connector.hotel)
