"""The webservice as an application: who may come in, which resource it is, and how refusals are put."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulators.qloapps import acts, ari, bookings, changes, customers, orders
from app.simulators.qloapps.answers import Asker, Refused, resources
from app.simulators.qloapps.keys import Keys
from app.simulators.qloapps.listing import chosen
from app.simulators.qloapps.tables import Tables
from app.simulators.site import Site

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
_WRITABLE = {
    "bookings": ("post", "put"),
    "customers": ("post", "put"),
    "order_histories": ("post",),
    "room_bookings": ("put",),
    "hotel_rooms": ("put",),
    "orders": ("put",),
}
_NODES = {
    "room_bookings": ("bookings", "booking"),
    "hotel_rooms": ("rooms", "room"),
    "order_histories": ("order_histories", "order_history"),
    "currencies": ("currencies", "currency"),
    "addresses": ("addresses", "address"),
}
_REALM = {"www-authenticate": 'Basic realm="Welcome to PrestaShop Webservice, please enter the authentication key"'}


def qloapps_app(site: Site) -> Starlette:
    """Make the webservice over one site; its tables are at `app.state.tables`."""
    shop = _Shop(site)
    app = Starlette(
        routes=[
            Route("/api/", shop.enter, methods=_METHODS),
            Route("/api/{resource}", shop.enter, methods=_METHODS),
            Route("/api/{resource}/{number}", shop.enter, methods=_METHODS),
        ]
    )
    app.state.tables = shop.tables
    return app


class _Shop:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.tables = Tables(site)

    async def enter(self, request: Request) -> Response:
        """Answer one request."""
        asker = Asker.of(request)
        try:
            if self._site.modes["host"] == "mismatch":
                return _to_the_shop(request)
            self._check_key(request)
            return await self._answer(asker, request, await request.body())
        except Refused as refused:
            reply = asker.errors(refused)
            if refused.status == 401 and (refused.text or refused.errors[0][0] != 26):
                reply.headers.update(_REALM)
            return reply

    def _check_key(self, request: Request) -> None:
        if self._site.modes["webservice"] == "off":
            raise Refused(
                503, (22, "The QloApps webservice is disabled. Please activate it in the QloApps Back Office")
            )
        key = _key_of(request)
        if key is None:
            raise Refused(401, text="401 Unauthorized")
        if len(key) != 32:
            raise Refused(401, (18, "Invalid authentication key format"))
        right = hmac.compare_digest(key.encode(), self._site.api_key.encode())
        if not right or self._site.modes["key"] == "disabled":
            inactive = (20, "Authentification key is not active")
            raise Refused(401, inactive, (21, "No permission for this authentication key"))

    def _rights(self) -> Mapping[str, Iterable[str]]:
        if self._site.modes["rights"] == "hotels_only":
            return {"hotels": ("get", "head")}
        rights: dict[str, tuple[str, ...]] = dict.fromkeys([*self.tables.resources, "bookings"], ("get", "head"))
        if self._site.modes["rights"] == "all":
            rights |= {resource: ("get", "head", *methods) for resource, methods in _WRITABLE.items()}
        return {**rights, "hotel_ari": ("post",)}

    async def _answer(self, asker: Asker, request: Request, body: bytes) -> Response:
        resource = request.path_params.get("resource", "")
        number = request.path_params.get("number", "")
        if not resource:
            rights = self._rights()
            return asker.answer(sorted(rights)) if asker.json else asker.document(resources(asker.base, rights))
        self._check_right(resource, request.method)
        if resource == "hotel_ari":
            return asker.answer(ari.answer(self.tables, body))
        if request.method in {"POST", "PUT"}:
            status, tree = await self._write(request.method, resource, number, body)
            return asker.answer(tree, status=status)
        if resource == "bookings":
            return self._bookings(asker, number)
        node, item = _NODES.get(resource, (resource, resource.removesuffix("s")))
        if number:
            row = self.tables.one(resource, number)
            if row is None:
                raise Refused(404)
            return asker.answer({item: row})
        query, known = request.query_params, self.tables.fields(resource)
        rows = self.tables.listed(resource, Keys.of(query))
        return asker.listing(node, item, list(chosen(resource, rows, query, known=known)))

    def _check_right(self, resource: str, method: str) -> None:
        known = {*self.tables.resources, "bookings", "hotel_ari"}
        if resource not in known:
            full = ", ".join(f'"{name}"' for name in sorted(known))
            message = f'Resource of type "{resource}" does not exists. The full list is: {full}'
            raise Refused(400, (27, message))
        if method == "PATCH" or (resource == "hotel_ari" and method != "POST"):
            raise Refused(405, (23, f"Method {method} is not valid"))
        if resource == "bookings" and method == "DELETE":
            raise Refused(405, (101, f"Method {method} is not allowed for the resource {resource}"))
        rights = self._rights()
        if resource not in rights:
            message = f'Resource of type "{resource}" is not allowed with this authentication key'
            raise Refused(401, (26, message))
        if method.lower() not in rights[resource]:
            message = f"Method {method} is not allowed for the resource {resource} with this authentication key"
            raise Refused(405, (25, message))

    async def _write(self, method: str, resource: str, number: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
        match resource, method:
            case "bookings", "POST":
                return await orders.create(self.tables, body)
            case "bookings", _:
                return changes.change(self.tables, number, body)
            case "customers", "POST":
                return customers.create(self.tables, body)
            case "customers", _:
                return customers.replace(self.tables, number, body)
            case "order_histories", _:
                return acts.add_history(self.tables, body)
        replace = {
            "orders": acts.replace_order,
            "room_bookings": acts.replace_room_booking,
            "hotel_rooms": acts.replace_room,
        }
        return replace[resource](self.tables, body)

    def _bookings(self, asker: Asker, number: str) -> Response:
        if not number:
            return asker.listing("bookings", "booking", list(bookings.ids(self.tables)))
        excluded = self._site.modes["price_display"] == "tax_excluded"
        return asker.answer(bookings.one(self.tables, number, tax_excluded=excluded))


def _key_of(request: Request) -> str | None:
    if "ws_key" in request.query_params:
        return request.query_params["ws_key"]
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _to_the_shop(request: Request) -> Response:
    """Answer as a shop that is asked under a domain that is not its own."""
    resource = request.path_params.get("resource", "")
    target = f"https://shop.example/index.php?{request.url.query}&url={resource}"
    return Response(status_code=302, headers={"location": target, "content-type": "text/html; charset=utf-8"})
