"""Ties the life of a process to that of its parent, so that a killed parent leaves no orphan.

However the parent's thread ends, the kernel signals the child (`PR_SET_PDEATHSIG`). Systems other than Linux
have no such signal; there only a regular exit stops the children.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tied_to_this_process(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    """Make what a child does between fork and exec so that it does not outlive the calling thread.

    It runs after the change of user, which would clear the setting (man 2const PR_SET_PDEATHSIG).
    """
    if not sys.platform.startswith("linux"):
        return None
    arm = _arming(orphan_signal)
    parent = os.getpid()
    return lambda: arm(parent)


def tie_to_parent(orphan_signal: signal.Signals, parent: int) -> None:
    """Ask to be sent a signal when `parent` ends, and end at once if it has ended already."""
    if sys.platform.startswith("linux"):
        _arming(orphan_signal)(parent)


def _arming(orphan_signal: signal.Signals) -> Callable[[int], None]:
    prctl = ctypes.CDLL(None).prctl

    def arm(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before the setting was made
            os._exit(1)

    return arm
