"""What an adapter raises over an answer that it cannot read: the vendor's broken contract, not an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.domain.errors import VendorContractBroken

_OF_MAPPING = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What Python and pydantic raise over data that is not what it was taken for."""

log = structlog.get_logger()


@contextmanager
def contract_kept(vendor: str) -> Iterator[None]:
    """Call an adapter inside; the place of the fault is logged, as it may be a bug of the adapter.

    Raises:
        VendorContractBroken: the adapter could not make sense of what the vendor answered.
    """
    try:
        yield
    except _OF_MAPPING as error:
        log.exception("vendor.contract_broken", vendor=vendor)
        raise VendorContractBroken("the PMS gave an answer that cannot be read", vendor=vendor) from error
