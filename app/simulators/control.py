"""The control door: makes, changes, shows and drops sites over HTTP, for simulators in another process."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.simulators.faults import Fault, FaultPlan
from app.simulators.site import Site


class SiteBook(Protocol):
    """What the door needs of the server."""

    def site(self, vendor: str, name: str) -> Site:
        """Give a site, or raise KeyError."""

    def make_site(self, vendor: str, name: str, **options: object) -> Site:
        """Make a site, fresh."""

    def drop_site(self, vendor: str, name: str) -> None:
        """Forget a site, or raise KeyError."""


class SiteWish(BaseModel):
    """A site as it should be made."""

    model_config = ConfigDict(extra="forbid")

    modes: dict[str, str] = Field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    seed: int = Field(0, description="Seed of the faults' chances.")
    seeded: bool = Field(default=True, description="Whether the hotel has guests already.")


class SiteChange(BaseModel):
    """What to change of a site that is there; its books stay."""

    model_config = ConfigDict(extra="forbid")

    modes: dict[str, str] = Field(default_factory=dict)
    faults: tuple[Fault, ...] | None = None
    seed: int = 0


def control_door(sites: SiteBook) -> Starlette:
    """Make the application behind `/_control`."""

    async def show(request: Request) -> Response:
        return JSONResponse(_shown(sites.site(**_address(request))))

    async def make(request: Request) -> Response:
        wish = SiteWish.model_validate_json(await request.body() or b"{}")
        site = sites.make_site(
            *_address(request).values(),
            modes=wish.modes,
            faults=wish.faults,
            fault_seed=wish.seed,
            seeded=wish.seeded,
        )
        return JSONResponse(_shown(site), 201)

    async def change(request: Request) -> Response:
        site = sites.site(**_address(request))
        wanted = SiteChange.model_validate_json(await request.body() or b"{}")
        site.set_modes(wanted.modes)
        if wanted.faults is not None:
            site.faults = FaultPlan(wanted.faults, seed=wanted.seed)
        return JSONResponse(_shown(site))

    async def drop(request: Request) -> Response:
        sites.drop_site(**_address(request))
        return Response(status_code=204)

    acts = {"GET": show, "PUT": make, "PATCH": change, "DELETE": drop}
    return Starlette(
        routes=[Route("/{vendor}/{name}", _told(act), methods=[method]) for method, act in acts.items()],
    )


def _address(request: Request) -> dict[str, str]:
    return {"vendor": request.path_params["vendor"], "name": request.path_params["name"]}


def _told(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn what went wrong at the door into an answer."""

    async def tell(request: Request) -> Response:
        try:
            return await act(request)
        except KeyError:
            return JSONResponse({"error": "no such simulator or site"}, 404)
        except (ValidationError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 422)

    return tell


def _shown(site: Site) -> dict[str, object]:
    return {
        "vendor": site.simulator.vendor,
        "site": site.name,
        "path": site.path,
        "api_key": site.api_key,
        "modes": site.modes,
        "faults": [fault.model_dump(mode="json") for fault in site.faults.faults],
        "late": len(site.late),
        "requests": site.request_counts(),
        "books": {property_id: hotel.books.as_json() for property_id, hotel in site.hotels.items()},
    }
