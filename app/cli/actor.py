"""Who acts at the command line, for the audit."""

import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.gateway.callers import Caller


def actor() -> str:
    """Give `cli:` and the name of the system's user, which no variable of the environment changes.

    A user without a name, as in a container that runs under any number, is that number.
    """
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:{uid}"


def operator() -> "Caller":
    """Give whoever types a command at the gateway's own machine: someone who may see and do everything."""
    from app.gateway.callers import Caller, Scope

    return Caller(actor(), frozenset(scope.value for scope in Scope), None)
