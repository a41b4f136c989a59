"""Orders, their items, payments and products as the vendor's JSON."""

from app.simulators.mews.enterprises import ACCOUNTING, PROFILE, SINCE, Product, TaxRate
from app.simulators.mews.folios import Owed
from app.simulators.mews.ledger import Order
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import NO_PROMOTIONS, PROFILES, Shown, amount, text
from app.simulators.mews.times import utc
from app.simulators.records import Booking, Line


def accounting_state(premises: Premises, booking: Booking | None) -> str:
    """Give whether the bill of something is closed."""
    return "Closed" if booking is not None and booking.id in premises.ledger.closed else "Open"


def order_item(premises: Premises, owed: Owed) -> Shown:
    """Write what is owed."""
    line, item = owed.line, owed.item
    room = premises.facts.guid("accounting", "accommodation")
    product = {"Discriminator": "Product", "Product": {"ProductId": item.product_id}} if item else None
    return {
        "Id": owed.id,
        "EnterpriseId": premises.id,
        "AccountId": owed.account_id,
        "AccountType": "Customer",
        "ServiceId": owed.service_id,
        "ServiceOrderId": owed.order_id,
        "Notes": item and premises.ledger.orders[item.order_id].notes,
        "BillId": premises.facts.guid("bill", owed.account_id),
        "AccountingCategoryId": item.category_id if item else room,
        "BillingName": line.description,
        "ExternalIdentifier": line.reference,
        "UnitCount": line.quantity,
        "UnitAmount": amount(premises, line.amount, owed.tax),
        "Amount": amount(premises, line.total, owed.tax),
        "OriginalAmount": amount(premises, line.total, owed.tax),
        "RevenueType": {"SpaceOrder": "Service", "ProductOrder": "Product"}.get(owed.kind, "Additional"),
        **PROFILES,
        "CreatedUtc": utc(line.posted_at),
        "UpdatedUtc": utc(line.posted_at),
        "ConsumedUtc": utc(owed.consumed_at),
        "CanceledUtc": None,
        "ClosedUtc": None,
        "StartUtc": utc(owed.consumed_at),
        "ClaimedUtc": None,
        "AccountingState": accounting_state(premises, owed.booking),
        "Type": owed.kind,
        "Options": {"CanceledWithReservation": owed.kind == "SpaceOrder"},
        "Data": product if item and item.product_id else None,
        "TaxExemptionReason": None,
        "TaxExemptionLegalReference": None,
    }


def payment(premises: Premises, booking: Booking, line: Line) -> Shown:
    """Write a payment: what was paid is negative."""
    paid = amount(premises, line.total, None)
    moment = utc(line.posted_at)
    return {
        "Id": line.id,
        "EnterpriseId": premises.id,
        "AccountId": booking.contact.guest_id,
        "AccountType": "Customer",
        "PaymentRequestId": None,
        "BillId": premises.facts.guid("bill", booking.contact.guest_id),
        "ReservationId": booking.id,
        "AccountingCategoryId": premises.facts.guid("accounting", "payments"),
        "Amount": paid,
        "OriginalAmount": paid,
        "Notes": line.description,
        "SettlementId": None,
        "ConsumedUtc": moment,
        "ClosedUtc": None,
        "ChargedUtc": moment,
        "CreatedUtc": moment,
        "UpdatedUtc": moment,
        "SettlementUtc": moment,
        "AccountingState": accounting_state(premises, booking),
        "State": "Charged",
        "Identifier": line.reference,
        "Type": "CashPayment",
        "Kind": "Payment",
        "Data": None,
        "PaymentOrigin": "Operations",
    }


def order(premises: Premises, one: Order, number: int) -> Shown:
    """Write an order of things."""
    return {
        "Id": one.id,
        "ServiceId": premises.facts.order_service,
        "AccountId": one.account_id,
        "AccountType": "Customer",
        "CreatorProfileId": PROFILE,
        "UpdaterProfileId": PROFILE,
        "BookerId": None,
        "Number": str(number),
        "State": "Processed",
        "Origin": "Connector",
        "CommanderOrigin": None,
        "OriginDetails": None,
        "CreatedUtc": utc(one.created_at),
        "UpdatedUtc": utc(one.created_at),
        "CancelledUtc": None,
        "VoucherId": None,
        "BusinessSegmentId": None,
        "LinkedReservationId": one.reservation_id,
        "Options": dict.fromkeys(
            ("OwnerCheckedIn", "AllCompanionsCheckedIn", "AnyCompanionCheckedIn", "ConnectorCheckIn"), False
        ),
    }


def product(premises: Premises, one: Product, place: int) -> Shown:
    """Write a product."""
    price = amount(premises, one.price, product_tax(premises))
    food = one.category == "food"
    return {
        "Id": premises.facts.guid("product", one.key),
        "ServiceId": premises.facts.order_service,
        "CategoryId": None,
        "AccountingCategoryId": premises.facts.guid("accounting", one.category),
        "IsActive": True,
        "Names": text(one.name),
        "ExternalNames": text(one.name),
        "ShortNames": text(one.name[:8]),
        "Descriptions": {},
        "ChargingMode": "Once",
        "PostingMode": "Once",
        "Options": {"BillAsPackage": False, "ExcludePriceFromOffer": False},
        "Promotions": NO_PROMOTIONS,
        "Classifications": {"Food": food, "Beverage": False, "Wellness": False, "CityTax": False, "Fee": not food},
        "Price": {name: price[name] for name in ("Currency", "NetValue", "GrossValue", "TaxValues")},
        "ImageIds": None,
        "Ordering": place,
        "ExternalIdentifier": None,
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
        "ConsumptionMoment": "ServiceOrderStart",
        "IsDefault": False,
        "Name": one.name,
        "Charging": "Once",
        "Posting": "Once",
        "Pricing": {"Discriminator": "Absolute", "Value": price},
    }


def product_tax(premises: Premises) -> TaxRate:
    """Give the tax on products: the second rate."""
    return premises.facts.rates[1]


def accounting_category(premises: Premises, key: str) -> Shown:
    """Write an accounting category."""
    name, classification = ACCOUNTING[key]
    codes = ("Code", "ExternalCode", "LedgerAccountCode", "PostingAccountCode", "CostCenterCode")
    return {
        "Id": premises.facts.guid("accounting", key),
        "EnterpriseId": premises.id,
        "IsActive": True,
        "Name": name,
        **dict.fromkeys(codes),
        "Classification": classification,
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
    }


def taxation(code: str) -> Shown:
    """Write a kind of tax."""
    return {"Code": code, "Name": "VAT", "LocalName": "VAT"}


def environment(code: str, country: str) -> Shown:
    """Write where taxes are the same."""
    return {
        "Code": code,
        "CountryCode": country,
        "ValidityStartUtc": None,
        "ValidityEndUtc": None,
        "TaxationCodes": [code],
    }
