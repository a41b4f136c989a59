"""§ 8, rooms and how clean they are."""

from urllib.parse import quote

from app.cli.conformance.rules import BASE, FORM, Broken, NotTried, fitting, rule
from app.cli.conformance.sandbox import Sandbox, items

_CLEANING = ("clean", "dirty", "inspected", "pickup")


shown = fitting("8.56", "Rooms have the members of the schema", "Room", can=("room_status.list",))


@rule(
    "8.57",
    "A room is the same in the list and by itself",
    fix="Show a room with the same code everywhere.",
    can=("room_status.list", "room_status.get"),
)
def same(at: Sandbox) -> None:
    """Compare the first three."""
    page = at.require(at.get("/rooms", limit="3"), 200)
    for one in items(page):
        read = at.require(at.get(room_path(one.get("room_number"))), 200)
        for name in ("room_number", "room_type", "out_of_order"):
            at.same(name, one.get(name), read.at(name), read)


@rule(
    "8.58",
    "The cleaning state of a room is set, and shown",
    fix="Take clean, dirty, inspected and pickup, and answer with the room.",
    can=("room_status.set", "room_status.get", "room_status.list"),
    writes=True,
)
def cleaned(at: Sandbox) -> None:
    """Set that of a vacant room to another, and put it back."""
    rooms = [one for one in at.listed("/rooms") if one.get("cleaning") in _CLEANING]
    vacant = [one for one in rooms if one.get("occupancy") == "vacant" and one.get("out_of_order") is not True]
    if not vacant:
        raise NotTried("there is no vacant room in a state that could be put back")
    path, before = room_path(vacant[0].get("room_number")), vacant[0].get("cleaning")
    other = "clean" if before == "dirty" else "dirty"
    try:
        answer = at.require(at.write("PUT", f"{path}/status", {"cleaning": other}), 200)
        at.same("cleaning", other, answer.at("cleaning"), answer)
        read = at.get(path)
        at.same("cleaning", other, read.at("cleaning"), read)
    finally:
        back = at.write("PUT", f"{path}/status", {"cleaning": before})
    if back.status != 200:
        raise Broken(f"200, to put {path} back to {before}", exchange=back)


@rule(
    "8.59",
    "A cleaning state that is none: 422 invalid",
    fix="Refuse what is not clean, dirty, inspected or pickup.",
    needs=(BASE, FORM),
    can=("room_status.set", "room_status.list"),
    writes=True,
)
def no_state(at: Sandbox) -> None:
    """Set one that is not there."""
    rooms = items(at.get("/rooms", limit="1"))
    if not rooms:
        raise NotTried("there is no room")
    path = room_path(rooms[0].get("room_number"))
    at.refused(at.write("PUT", f"{path}/status", {"cleaning": "sparkling"}), 422, "invalid")


def room_path(number: object) -> str:
    """Give the path of a room."""
    return f"/rooms/{quote(str(number), safe='')}"


RULES = (shown, same, cleaned, no_state)
