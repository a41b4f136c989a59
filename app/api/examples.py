"""One example of every answer and body, for the OpenAPI document. A test validates each against its schema."""

from typing import Any

_EUR = {"amount": "129.50", "currency": "EUR"}

HOTEL: dict[str, Any] = {
    "id": "prime",
    "name": "The Hotel Prime",
    "vendor": "acme",
    "timezone": "Europe/Vienna",
    "currency": "EUR",
    "country": "AT",
    "property_id": "PRIME",
    "base_url": "https://pms.example",
    "options": {
        "day_starts": "04:00",
        "notify_guest": False,
        "charge_codes": {},
        "queue_expiry": 900,
        "rate_limit": None,
    },
    "sync": {"arrivals": {"enabled": True, "cron": "*/5 * * * *", "look_ahead_days": 1}},
    "cache": {"guest_ttl": 3600, "reservation_ttl": 300, "room_status_ttl": 60, "availability_ttl": 300},
}
HOTEL_DRAFT = {
    **{name: value for name, value in HOTEL.items() if name != "id"},
    "credentials": {"api_key": "env:PMS_CRED_PRIME"},
}
CAPABILITIES = {
    "availability": {"support": "native", "reason": None},
    "webhooks": {"support": "none", "reason": "the contract has none yet"},
}
DIAGNOSIS = {
    "healthy": True,
    "latency_ms": 42,
    "checks": [{"name": "property", "ok": True, "detail": "the property is PRIME, its currency EUR"}],
}
VENDOR = {
    "vendor": "acme",
    "display_name": "Acme PMS",
    "source": "https://developers.acme.example",
    "auth": "api key",
    "webhooks": "none",
    "certification_required": False,
    "regions": ["any"],
    "limits": None,
    "verified": {"how": "vendor-spec", "on": "2026-11-20"},
    "capabilities": CAPABILITIES,
    "options_schema": {"type": "object"},
    "credentials_schema": {"type": "object"},
}
ROOM_TYPE = {
    "room_type": "DLX",
    "name": "Deluxe",
    "description": "King bed, city view",
    "max_occupancy": 3,
    "total": 5,
}
AVAILABILITY = {
    "hotel_id": "prime",
    "start": "2026-12-01",
    "end": "2026-12-02",
    "room_types": [
        {
            "room_type": "DLX",
            "name": "Deluxe",
            "max_occupancy": 3,
            "nights": [{"date": "2026-12-01", "available": 4, "total": 5, "min_price": _EUR}],
        }
    ],
}
RATE_PLAN = {"rate_code": "FLEX", "name": "Flexible", "description": "Free cancellation", "currency": "EUR"}
RATE_QUOTE = {
    "room_type": "DLX",
    "rate_code": "FLEX",
    "arrival": "2026-12-01",
    "departure": "2026-12-02",
    "adults": 2,
    "child_ages": [5],
    "nightly": [{"date": "2026-12-01", "amount": _EUR}],
    "total": _EUR,
    "taxes_included": True,
    "available": True,
    "cancellation_policy": "Free until 18:00 on the day of arrival",
    "indicative": False,
}
RESERVATION = {
    "id": "RES-1001",
    "hotel_id": "prime",
    "confirmation_number": "C-1001",
    "booking_id": None,
    "status": "confirmed",
    "arrival": "2026-12-01",
    "departure": "2026-12-02",
    "room_type": "DLX",
    "rate_code": "FLEX",
    "room_number": None,
    "adults": 2,
    "child_ages": [5],
    "rooms": [
        {
            "room_type": "DLX",
            "rate_code": "FLEX",
            "room_number": None,
            "arrival": "2026-12-01",
            "departure": "2026-12-02",
            "adults": 2,
            "child_ages": [5],
            "status": "confirmed",
        }
    ],
    "guest": {
        "id": "G-2001",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.test",
        "phone": "+43123456789",
        "country": "GB",
    },
    "total": _EUR,
    "balance": _EUR,
    "checkout_time": "11:00",
    "notes": [{"text": "Late arrival", "created_at": "2026-11-20T10:00:00Z"}],
    "external_reference": None,
    "vendor_status": "confirmed",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:00Z",
    "pending_operations": [],
    "version": "8e7b4c0f5d2a91e36c7f0b1d",
}
RESERVATION_DRAFT = {
    "arrival": "2026-12-01",
    "departure": "2026-12-02",
    "room_type": "DLX",
    "rate_code": "FLEX",
    "adults": 2,
    "child_ages": [5],
    "guest": {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.test",
        "phone": "+43123456789",
        "country": "GB",
    },
    "notes": ["Late arrival"],
    "expected_total": _EUR,
}
RESERVATION_PATCH = {"departure": "2026-12-03", "guest": {"phone": "+43987654321"}}
NOTE = {"text": "Late arrival, around 23:00", "created_at": "2026-11-20T10:00:00Z"}
GUEST: dict[str, Any] = {
    "id": "G-2001",
    "hotel_id": "prime",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.test",
    "phone": "+43123456789",
    "country": "GB",
    "language": "en",
    "loyalty_tier": "gold",
    "vip": False,
    "preferences": [{"category": "pillow", "value": "feather-free", "note": None}],
    "external_ids": {"pms": "G-2001"},
    "updated_at": "2026-11-20T10:00:00Z",
    "version": "0c9d1b7e5a3f48e2b6d4c8aa",
}
GUEST_DRAFT = {"last_name": "Lovelace", "first_name": "Ada", "email": "ada@example.test", "language": "en"}
CHARGE = {
    "id": "CHG-1",
    "reservation_id": "RES-1001",
    "description": "Minibar",
    "amount": {"amount": "4.50", "currency": "EUR"},
    "quantity": 2,
    "total": {"amount": "9.00", "currency": "EUR"},
    "posted_at": "2026-11-20T10:00:00Z",
    "reference": None,
}
CHARGE_DRAFT = {
    "description": "Minibar",
    "amount": {"amount": "4.50", "currency": "EUR"},
    "quantity": 2,
    "category": "minibar",
}
FOLIO_LINE = {
    "id": "CHG-1",
    "kind": "charge",
    "description": "Minibar",
    "amount": {"amount": "9.00", "currency": "EUR"},
    "posted_at": "2026-11-20T10:00:00Z",
    "reference": None,
}
BALANCE = {
    "reservation_id": "RES-1001",
    "balance": _EUR,
    "charges": _EUR,
    "payments": {"amount": "0.00", "currency": "EUR"},
}
ROOM = {
    "room_number": "101",
    "room_type": "DLX",
    "floor": "1",
    "cleaning": "clean",
    "occupancy": "vacant",
    "out_of_order": False,
    "updated_at": "2026-11-20T10:00:00Z",
    "vendor_status": None,
}
OPERATION: dict[str, Any] = {
    "id": "0b2f6c0e-3d3f-4a52-9d6a-6a1f3f1f7f10",
    "hotel_id": "prime",
    "kind": "reservation.note",
    "status": "unknown",
    "attempts": 1,
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:01Z",
    "expires_at": None,
}
DEAD_LETTER: dict[str, Any] = {
    "id": "5d3c6a58-0f3e-4b0e-8f27-2f0d5b1f6c11",
    "operation_id": OPERATION["id"],
    "hotel_id": "prime",
    "operation": "reservation.note",
    "payload": {"target": "RES-1001", "if_match": None, "body": {"text": "Late arrival, around 23:00"}},
    "error": {"message": "the PMS could not be reached in time, nothing was sent", "code": "pms_unavailable"},
    "attempts": 3,
    "first_attempt_at": "2026-11-20T10:00:00Z",
    "last_attempt_at": "2026-11-20T10:02:10Z",
    "next_attempt_at": "2026-11-20T10:03:00Z",
    "auto_retry": True,
    "replayable": True,
    "status": "pending",
    "resolved_by": None,
    "resolved_at": None,
    "notes": None,
    "base": None,
    "theirs": None,
}
ABANDONMENT = {"reason": "the guest has left, nobody needs it any more"}
FINDING = {"happened": True, "reason": "the charge is on the folio"}
AUDIT_LINE = {
    "at": "2026-11-20T10:00:00.123456Z",
    "actor": "front desk",
    "hotel_id": "prime",
    "operation": "reservation.note",
    "target": "RES-1001",
    "outcome": "succeeded",
    "correlation_id": "c-4711",
    "vendor_request_id": "v-0815",
    "before": None,
    "after": NOTE,
}
ERASURE_META: dict[str, Any] = {
    "source": "store",
    "complete": False,
    "warnings": [
        {"code": "cache_pending", "detail": "Redis has not confirmed yet that its copies are gone", "fields": []}
    ],
}
GUEST_EXPORT: dict[str, Any] = {
    "profiles": [GUEST],
    "reservations": [RESERVATION],
    "operations": [
        {
            "id": OPERATION["id"],
            "kind": "reservation.note",
            "status": "succeeded",
            "target": "RES-1001",
            "client": "front desk",
            "created_at": "2026-11-20T10:00:00Z",
            "updated_at": "2026-11-20T10:00:01Z",
            "payload": {"target": "RES-1001", "if_match": None, "body": {"text": NOTE["text"]}},
            "answer": {"data": NOTE, "warnings": [], "as_of": "2026-11-20T10:00:01Z"},
            "error": None,
            "steps": [
                {
                    "name": "note",
                    "status": "done",
                    "started_at": "2026-11-20T10:00:00Z",
                    "finished_at": "2026-11-20T10:00:01Z",
                    "result": NOTE,
                }
            ],
        }
    ],
    "dead_letters": [],
    "audit": [
        {
            "at": "2026-11-20T10:00:01Z",
            "actor": "front desk",
            "operation": "reservation.note",
            "target": "RES-1001",
            "outcome": "succeeded",
            "before": None,
            "after": NOTE,
        }
    ],
    "events": [
        {
            "id": "a1d3b1de-4a0d-4e35-8a0f-6e1d3c1f7f21",
            "type": "reservation.note_added",
            "created_at": "2026-11-20T10:00:01Z",
            "payload": {"target": "RES-1001"},
        }
    ],
    "webhooks": [],
}
READINESS = {
    "status": "ok",
    "checks": {
        "postgres": {"ok": True, "detail": "answers, schema is current"},
        "redis": {"ok": True, "detail": "answers"},
    },
}
