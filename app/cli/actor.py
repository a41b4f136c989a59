"""Who acts at the command line, for the audit."""

import os
import pwd


def actor() -> str:
    """Give `cli:` and the name of the system's user, which no variable of the environment changes.

    A user without a name, as in a container that runs under any number, is that number.
    """
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:{uid}"
