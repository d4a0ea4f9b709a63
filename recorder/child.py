"""What a child process of the recorder does first: see to it that it does not outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Be killed when the process `parent_pid`, which started this one, is gone (Linux prctl(2)).

    A killed parent closes nothing and tells nobody; without this its children would go on burning CPU, and
    a restarted server would start the same work beside them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the request was made; then somebody else is the parent already.
    if os.getppid() != parent_pid:
        os._exit(1)
