"""`pms-gateway keys rotate-encryption`, `status` and `give-up`: the keys that the data is under."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.actor import actor
from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, print_table, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.api.deps import Gateway
    from app.gateway.rotation import KeyState, Progress, Rotated, Rotation
    from app.settings import Settings
    from app.store.key_register import RegisteredKey
    from app.store.walking import Held

_KINDS = ("encryption", "index", "idempotency")
_STILL_NEEDED = 1


def rotate_encryption(
    batch: Annotated[int, typer.Option(min=1, max=5_000, help="How many rows are written anew in one step.")] = 200,
    show_status: Annotated[bool, typer.Option("--status", help="Only show how much is under which key.")] = False,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Write everything anew that is under a former key, while gateways serve.

    Put the new key behind the others in ENCRYPTION_KEYS (or INDEX_KEYS) of every gateway and worker first, then in
    front; then run this. It may be ended at any point, and goes on where it was. Ends with 0 when the former keys may
    be removed, 1 when one is still needed, which it says.
    """
    settings = operator_settings(embedded=embedded, folder=folder)
    if show_status:
        _print_status(settings)
        return
    from app.cli.database import at_gateway

    async def rotate(gateway: "Gateway") -> "Rotated":
        return await _rotation(settings, gateway).run(actor=actor(), batch=batch, tell=_tell)

    done = at_gateway(settings, rotate)
    tell(f"{done.renewed} rows were written anew")
    _print_states(done.states)
    for key in done.retired:
        tell(f"{key.key_id} may be removed from {key.kind.setting} now")
    if _tell_what_is_needed(done.states):
        raise typer.Exit(_STILL_NEEDED)


def status(embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Show the keys that the data is under, and how many values each holds."""
    _print_status(operator_settings(embedded=embedded, folder=folder))


def give_up(
    kind: Annotated[str, typer.Argument(help="encryption, index or idempotency.")],
    key_id: Annotated[str, typer.Argument(help="The key's name; none for idempotency.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Give up a key that is lost for good: gateways start without it, and what is under it can never be read again."""
    if kind not in _KINDS or bool(key_id) == (kind == "idempotency"):
        raise CommandError("say which key: encryption NAME, index NAME, or idempotency")
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    if not yes:
        typer.confirm(_warning(kind, key_id), abort=True, err=True)

    async def end(gateway: "Gateway") -> bool:
        return await _give_up(gateway, kind, key_id)

    if not at_gateway(settings, end, check_keys=False):
        raise CommandError(f"no data is under a key {key_id} of that kind")
    tell("given up; start the gateways")


async def _give_up(gateway: "Gateway", kind: str, key_id: str) -> bool:
    from app.store.audit import AuditEntry
    from app.store.key_register import KeyKind

    which = KeyKind(kind)
    async with gateway.database.unit_of_work() as work:
        if which is KeyKind.IDEMPOTENCY:
            await work.key_register.forget(which)
        elif not await work.key_register.retire(which, key_id):
            return False
        target = f"{kind} {key_id}".strip()
        # Without contents: the key that would encrypt them may be the very one that is not the right one.
        await work.audit.append(
            AuditEntry(actor=actor(), hotel_id=None, operation="key.give_up", target=target, outcome="succeeded")
        )
    return True


def _warning(kind: str, key_id: str) -> str:
    match kind:
        case "encryption":
            return f"What is encrypted under {key_id}, such as hotels' credentials, can never be read again. Go on?"
        case "index":
            return f"What is indexed under {key_id} is found no more: erasing a guest will miss it. Go on?"
    return "Repeats of requests that were sent before are taken for new ones, and may be done twice. Go on?"


def _rotation(settings: "Settings", gateway: "Gateway") -> "Rotation":
    from app import main
    from app.gateway.rotation import Rotation

    declared = main.key_watch(settings, gateway.database).declared
    return Rotation(gateway.database, main.store_keys(settings), declared)


def _print_status(settings: "Settings") -> None:
    from app.cli.database import at_gateway

    async def find(gateway: "Gateway") -> "tuple[KeyState, ...]":
        return await _rotation(settings, gateway).states()

    states = at_gateway(settings, find, check_keys=False)
    _print_states(states)
    _tell_what_is_needed([state for state in states if not state.held])  # what is held stands in the table


def _tell(progress: "Progress") -> None:
    tell(f"{progress.table}: {progress.done} of about {progress.of}")


def _tell_what_is_needed(states: "Sequence[KeyState]") -> bool:
    """Say of each former key why it may not be removed yet; tells whether there is such a one."""
    reasons = [reason for state in states for reason in _reasons(state)]
    for reason in reasons:
        tell(reason)
    return bool(reasons)


def _print_states(states: "Sequence[KeyState]") -> None:
    headings = ("setting", "key", "state", "configured", "values", "where")
    print_table(headings, (_row(state) for state in states))


def _row(state: "KeyState") -> tuple[str, ...]:
    where = ", ".join(f"{table} {held.count}" for table, held in sorted(state.held.items()))
    configured = "yes" if state.is_configured else "no"
    counted = "" if state.key.kind == "idempotency" else str(state.count)
    return (state.key.kind.setting, state.key.key_id, _standing(state), configured, counted, where)


def _standing(state: "KeyState") -> str:
    if state.key.retired_at is not None:
        return f"retired {state.key.retired_at:%Y-%m-%d %H:%M}"
    if state.is_active:
        return "active"
    return "former" if state.key.is_needed else "waiting"


def _reasons(state: "KeyState") -> list[str]:
    """Say why a former key is still needed."""
    key = state.key
    if state.is_active or not key.is_needed or key.kind == "idempotency":
        return []
    if state.held:
        return [_still(key, table, held) for table, held in sorted(state.held.items())]
    if key.is_silent:
        return [f"{key} holds nothing any more, but a write that was begun under it is under way: run this again"]
    reason = "a process said within the last minutes that it writes under it"
    remedy = "start every gateway and worker with the new key in front, wait for three minutes, and run this again"
    return [f"{key} holds nothing any more, but {reason}: {remedy}"]


def _still(key: "RegisteredKey", table: str, held: "Held") -> str:
    newest = f", the newest of {held.newest:%Y-%m-%d}" if held.newest else ""
    return f"{key} is still needed by {held.count} values of {table}{newest}"
