"""What callers send about orders, payments and what can be ordered."""

from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, Field

from app.simulators.mews.sent import FewIds, Ids, ListQuestion, Sent, ShortInterval, State


class AmountSent(Sent):
    """Money, before or after tax as the enterprise counts; several taxes go with the price before tax alone."""

    currency: str
    tax_codes: list[str]
    gross_value: Decimal | None = None
    net_value: Decimal | None = None


class ItemSent(Sent):
    """Something that is ordered by its name."""

    name: Annotated[str, Field(min_length=1)]
    unit_count: Annotated[int, Field(ge=1)]
    unit_amount: AmountSent
    accounting_category_id: str | None = None
    external_identifier: str | None = None


class ProductOrderSent(Sent):
    """A product that is ordered, at its own price unless told otherwise."""

    product_id: str
    count: Annotated[int, Field(ge=1)] | None = 1
    unit_amount: AmountSent | None = None
    external_identifier: str | None = None


class OrderSent(Sent):
    """`orders/add`."""

    enterprise_id: str | None = None
    service_id: str
    account_id: str
    linked_reservation_id: str | None = None
    product_orders: list[ProductOrderSent] | None = None
    items: list[ItemSent] | None = None
    consumption_utc: AwareDatetime | None = None
    notes: str | None = None


class OrderItemsQuestion(ListQuestion):
    """`orderItems/getAll`."""

    order_item_ids: Ids | None = None
    account_ids: FewIds | None = None
    service_order_ids: Ids | None = None
    service_ids: Ids | None = None
    bill_ids: Ids | None = None
    created_utc: ShortInterval | None = None
    consumed_utc: ShortInterval | None = None
    canceled_utc: ShortInterval | None = None
    closed_utc: ShortInterval | None = None
    currency: str | None = None
    accounting_states: list[str] | None = None
    types: list[str] | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it names any of the filters of which one is needed."""
        weak = {"enterprise_ids", "activity_states", "limitation", "currency", "accounting_states", "types"}
        return any(getattr(self, name) is not None for name in type(self).model_fields if name not in weak)


class PaymentsQuestion(ListQuestion):
    """`payments/getAll`."""

    payment_ids: Ids | None = None
    account_ids: FewIds | None = None
    reservation_ids: Ids | None = None
    bill_ids: Ids | None = None
    created_utc: ShortInterval | None = None
    charged_utc: ShortInterval | None = None
    currency: str | None = None
    accounting_states: list[str] | None = None
    states: list[str] | None = None
    type: str | None = None


class ProductOrdersQuestion(ListQuestion):
    """`productServiceOrders/getAll`."""

    service_ids: Ids
    product_service_order_ids: Ids | None = None
    account_ids: Ids | None = None
    linked_reservation_ids: Ids | None = None
    states: list[State] | None = None


class ProductsQuestion(ListQuestion):
    """`products/getAll`."""

    service_ids: Ids
    product_ids: Ids | None = None
    include_default: bool | None = False


class AccountingQuestion(ListQuestion):
    """`accountingCategories/getAll`."""

    accounting_category_ids: Ids | None = None
