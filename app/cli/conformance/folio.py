"""§ 8, charges, folio and balance: they add up."""

from decimal import Decimal

from app.cli.conformance.rules import FORM, FOUND, Broken, fitting, rule
from app.cli.conformance.sandbox import Body, Sandbox, amount, stay_path

_POSTED = "8.44"


shown = fitting(
    "8.43",
    "Charges, folio lines and balances have the members of the schema",
    "Charge",
    "FolioLine",
    "Balance",
    can=("charge.list",),
)


@rule(
    _POSTED,
    "A charge is posted as it was sent; `amount` is one unit, `total` all of them",
    fix="amount is the price of one unit as it was sent, total is amount times quantity.",
    needs=(FOUND,),
    can=("charge.post",),
    writes=True,
)
def posted(at: Sandbox) -> None:
    """Post two teas."""
    path, tea = stay_path(at.book().at("id")), at.tea(reference=at.new_name())
    answer = at.require(at.write("POST", f"{path}/charges", tea), 201)
    for name in ("description", "quantity", "reference"):
        at.same(name, tea[name], answer.at(name), answer)
    at.same("amount", amount(tea["amount"]), amount(answer.at("amount")), answer)
    at.same("total", amount(tea["amount"]) * 2, amount(answer.at("total")), answer)


@rule(
    "8.45",
    "A charge stands on the folio, with its total",
    fix="Show what was posted at once; the line's amount is the total.",
    needs=(_POSTED,),
    can=("charge.post", "charge.list"),
    writes=True,
)
def on_the_folio(at: Sandbox) -> None:
    """Post and look."""
    path, tea = stay_path(at.book().at("id")), at.tea()
    charge = at.require(at.write("POST", f"{path}/charges", tea), 201)
    lines = [one for one in at.listed(f"{path}/folio") if one.get("id") == charge.at("id")]
    at.same("lines of the charge", 1, len(lines), charge)
    at.same("kind", "charge", lines[0].get("kind"))
    at.same("amount", amount(tea["amount"]) * 2, amount(lines[0].get("amount")))


@rule(
    "8.46",
    "A charge raises the balance by its total",
    fix="Compute the balance from the folio.",
    needs=(_POSTED,),
    can=("charge.post", "balance"),
    writes=True,
)
def raises(at: Sandbox) -> None:
    """Compare the balance before and after."""
    path, tea = stay_path(at.book().at("id")), at.tea()
    before = amount(at.require(at.get(f"{path}/balance"), 200).at("balance"))
    at.require(at.write("POST", f"{path}/charges", tea), 201)
    after = at.require(at.get(f"{path}/balance"), 200)
    at.same("balance", before + amount(tea["amount"]) * 2, amount(after.at("balance")), after)


@rule(
    "8.47",
    "The lines of the folio add up to the balance",
    fix="Show every line that the balance counts, payments as negative amounts.",
    needs=(FOUND,),
    can=("charge.list", "balance"),
    writes=True,
)
def adds_up(at: Sandbox) -> None:
    """Add them up, with a charge where one can be posted."""
    path = stay_path(at.book().at("id"))
    if at.can("charge.post"):
        at.require(at.write("POST", f"{path}/charges", at.tea()), 201)
    lines = sum((amount(one.get("amount")) for one in at.listed(f"{path}/folio")), Decimal())
    balance = at.require(at.get(f"{path}/balance"), 200)
    at.same("balance", lines, amount(balance.at("balance")), balance)


@rule(
    "8.48",
    "The balance is charges minus payments",
    fix="Show charges and payments both as positive amounts; a positive balance is owed by the guest.",
    needs=(FOUND,),
    can=("balance",),
    writes=True,
)
def difference(at: Sandbox) -> None:
    """Compute it."""
    answer = at.require(at.get(f"{stay_path(at.book().at('id'))}/balance"), 200)
    if answer.at("charges") is not None and answer.at("payments") is not None:
        charges, payments = amount(answer.at("charges")), amount(answer.at("payments"))
        at.same("balance", charges - payments, amount(answer.at("balance")), answer)


@rule(
    "8.49",
    "The balance of a reservation is the one that it shows",
    fix="Compute both in one place.",
    needs=(FOUND,),
    can=("balance",),
    writes=True,
)
def same_balance(at: Sandbox) -> None:
    """Compare the two."""
    path = stay_path(at.book().at("id"))
    answer, read = at.require(at.get(f"{path}/balance"), 200), at.get(path)
    if read.at("balance") is not None:
        at.same("balance", amount(answer.at("balance")), amount(read.at("balance")), read)


@rule(
    "8.50",
    "A charge whose amount is no money: 422 invalid",
    fix="Take decimal strings only, with no more decimals than the currency has; a JSON number is refused.",
    needs=(FOUND, FORM),
    can=("charge.post",),
    writes=True,
)
def no_money(at: Sandbox) -> None:
    """Post a number, a word, too many decimals and nothing."""
    path, currency = stay_path(at.book().at("id")), at.facts.get("currency")
    wrong: tuple[Body, ...] = (
        {"amount": {"amount": 4.5, "currency": currency}},
        {"amount": {"amount": "four", "currency": currency}},
        {"amount": {"amount": "4.50005", "currency": currency}},
        {"quantity": 0},
        {"description": ""},
    )
    for change in wrong:
        answer = at.refused(at.write("POST", f"{path}/charges", at.tea(**change)), 422, "invalid", f"for {change}")
        if not answer.at("errors"):
            raise Broken(f"errors that name {min(change)}", exchange=answer)


RULES = (shown, posted, on_the_folio, raises, adds_up, difference, same_balance, no_money)
