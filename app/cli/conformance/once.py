"""§ 4, every write happens once: keys that are honoured."""

from collections.abc import Callable

from app.cli.conformance.exchange import Exchange
from app.cli.conformance.rules import CANCELLED, FORM, FOUND, MADE, Broken, NotBuilt, Rule, rule
from app.cli.conformance.sandbox import Body, Sandbox, objects, stay_path

_AGAIN = "4.2"
_TIMES = 5
Act = Callable[[Sandbox], None]


def _honoured(act: Act) -> Act:
    """Try it only where the property says that it honours keys."""

    def tried(at: Sandbox) -> None:
        if at.facts.get("idempotency_keys") is not True:
            raise NotBuilt("the property says idempotency_keys: false")
        act(at)

    return tried


@rule(
    "4.1",
    "A write without a key: 400 idempotency_key_required, and nothing is done",
    fix="Refuse writes without Idempotency-Key before you do anything.",
    needs=(MADE, FORM),
    writes=True,
)
@_honoured
def no_key(at: Sandbox) -> None:
    """Book without one."""
    draft = at.draft()
    answer = at.remember(at.caller.send("POST", "/reservations", body=draft))
    at.refused(answer, 400, "idempotency_key_required")


@rule(
    _AGAIN,
    "The same key and the same request: the stored answer again, status and body, and nothing is done twice",
    fix="Store key, method, path, body and answer in the transaction of the write itself; look the key up first.",
    needs=(MADE,),
    writes=True,
)
@_honoured
def again(at: Sandbox) -> None:
    """Book twice under one key."""
    draft, key = at.draft(), at.new_key()
    first = at.require(at.create(draft, key=key), 201)
    _same_answer(first, at.create(draft, key=key))
    _made_once(at, draft)


@rule(
    "4.3",
    "The same key and another body: 422 idempotency_key_reused, and nothing is done",
    fix="Compare the body, or its hash, with the one that is stored under the key.",
    needs=(_AGAIN, FORM),
    writes=True,
)
@_honoured
def another_body(at: Sandbox) -> None:
    """Book something else under a key that is used."""
    key = at.new_key()
    at.require(at.create(at.draft(), key=key), 201)
    at.refused(at.create(at.draft(), key=key), 422, "idempotency_key_reused")


@rule(
    "4.4",
    "The same key on another path: 422 idempotency_key_reused, and nothing is done",
    fix="Compare method and path with those that are stored under the key: a key is one per property, not per path.",
    needs=(_AGAIN, FORM, CANCELLED),
    writes=True,
)
@_honoured
def another_path(at: Sandbox) -> None:
    """Cancel under the key that something was booked with."""
    key = at.new_key()
    made = at.require(at.create(at.draft(), key=key), 201)
    at.refused(at.write("POST", f"{stay_path(made.at('id'))}/cancel", {}, key=key), 422, "idempotency_key_reused")


@rule(
    "4.5",
    "The same request several times at once is done once; who comes meanwhile waits or gets 409 in_progress",
    fix="Insert the key first, under a unique index, in the write's own transaction; who collides waits or is told.",
    needs=(_AGAIN,),
    writes=True,
)
@_honoured
def at_once(at: Sandbox) -> None:
    """Book five times in the same moment."""
    draft, key = at.draft(), at.new_key()
    answers = at.together(method="POST", path="/reservations", bodies=[draft] * _TIMES, keys=[key] * _TIMES)
    done = [at.remember(one) for one in answers if one.status == 201]
    for one in answers:
        if one.status != 201 and one.code != "in_progress":
            raise Broken("201, or 409 with code in_progress", exchange=one)
    at.same("different reservations", 1, len({one.at("id") for one in done}), done[-1] if done else answers[0])
    _made_once(at, draft)


@rule(
    "4.6",
    "The stored answer comes before the state: a create is repeated though its stay is cancelled meanwhile",
    fix="Look the key up before you look at availability or at the state of anything.",
    needs=(_AGAIN, CANCELLED),
    writes=True,
)
@_honoured
def before_state(at: Sandbox) -> None:
    """Book, cancel, and send the booking again."""
    draft, key = at.draft(), at.new_key()
    first = at.require(at.create(draft, key=key), 201)
    at.require(at.cancel(str(first.at("id"))), 200)
    _same_answer(first, at.create(draft, key=key))


@rule(
    "4.7",
    "The stored answer comes before If-Match: a change is repeated though the version moved on by itself",
    fix="Look the key up before you compare versions.",
    needs=(_AGAIN,),
    can=("reservation.modify",),
    writes=True,
)
@_honoured
def before_version(at: Sandbox) -> None:
    """Change at a version, twice under one key."""
    made, key = at.book(), at.new_key()
    path, version = stay_path(made.at("id")), f'"{made.at("version")}"'
    change: Body = {"guest": {"phone": "+43 1 5550166"}}
    first = at.require(at.write("PATCH", path, change, key=key, if_match=version), 200)
    _same_answer(first, at.write("PATCH", path, change, key=key, if_match=version))


@rule(
    "4.8",
    "A cancellation is repeated as it was answered",
    fix="Store the answers of all writes, not of creates only.",
    needs=(_AGAIN, CANCELLED),
    writes=True,
)
@_honoured
def cancelled_again(at: Sandbox) -> None:
    """Cancel twice under one key."""
    path, key = f"{stay_path(at.book().at('id'))}/cancel", at.new_key()
    first = at.require(at.write("POST", path, {"reason": "twice"}, key=key), 200)
    _same_answer(first, at.write("POST", path, {"reason": "twice"}, key=key))


@rule(
    "4.9",
    "A note under one key is added once",
    fix="As 4.2.",
    needs=(_AGAIN, FOUND),
    can=("reservation.note",),
    writes=True,
)
@_honoured
def one_note(at: Sandbox) -> None:
    """Add one twice."""
    path, key = stay_path(at.book().at("id")), at.new_key()
    text = at.new_name()
    answers = [at.write("POST", f"{path}/notes", {"text": text}, key=key) for _ in range(2)]
    _same_answer(at.require(answers[0], 201), answers[1])
    shown = [one for one in objects(at.get(path).at("notes")) if one.get("text") == text]
    at.same("notes on the reservation", 1, len(shown))


@rule(
    "4.10",
    "A charge under one key is posted once",
    fix="As 4.2.",
    needs=(_AGAIN, FOUND),
    can=("charge.post",),
    writes=True,
)
@_honoured
def one_charge(at: Sandbox) -> None:
    """Post one twice."""
    path, key = stay_path(at.book().at("id")), at.new_key()
    charge = at.tea()
    answers = [at.write("POST", f"{path}/charges", charge, key=key) for _ in range(2)]
    _same_answer(at.require(answers[0], 201), answers[1])
    if at.can("charge.list"):
        shown = [one for one in at.listed(f"{path}/folio") if one.get("id") == answers[0].at("id")]
        at.same("lines on the folio", 1, len(shown))


@rule(
    "4.11",
    "A profile under one key is made once",
    fix="As 4.2.",
    needs=(_AGAIN,),
    can=("guest.upsert",),
    writes=True,
)
@_honoured
def one_guest(at: Sandbox) -> None:
    """Make one twice."""
    key, body = at.new_key(), {"first_name": "Conformance", "last_name": f"Once{at.mark}"}
    answers = [at.remember(at.write("POST", "/guests", body, key=key)) for _ in range(2)]
    _same_answer(at.require(answers[0], 201), answers[1])


@rule(
    "4.12",
    "A key may have 255 characters, any that are visible in ASCII",
    fix="Make the column long enough, and compare keys exactly, upper and lower case too.",
    needs=(_AGAIN,),
    writes=True,
)
@_honoured
def long_keys(at: Sandbox) -> None:
    """Book under the longest key, and under one that differs in its last sign."""
    key = (at.new_key() + "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~" + "k" * 255)[:255]
    draft = at.draft()
    first = at.require(at.create(draft, key=key), 201)
    _same_answer(first, at.create(draft, key=key))
    other = at.require(at.create(at.draft(), key=f"{key[:-1]}K"), 201, "as the key differs in its last sign")
    if other.at("id") == first.at("id"):
        raise Broken("another reservation, as the key differs in its last sign", exchange=other)


def _same_answer(first: Exchange, second: Exchange) -> None:
    if (first.status, first.json) != (second.status, second.json):
        raise Broken(f"the first answer again: {first.told()}", exchange=second)


def _made_once(at: Sandbox, draft: Body) -> None:
    name = draft["external_reference"]
    stays = at.listed("reservations", filters={"external_reference": name})
    found = {str(one.get("id")) for one in stays if one.get("external_reference") == name}
    if len(found) > 1:
        raise Broken("one reservation", f"{len(found)}: {', '.join(sorted(found))}")


RULES: tuple[Rule, ...] = (
    no_key,
    again,
    another_body,
    another_path,
    at_once,
    before_state,
    before_version,
    cancelled_again,
    one_note,
    one_charge,
    one_guest,
    long_keys,
)
