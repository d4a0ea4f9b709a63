"""Child processes of the recorder: what they inherit, and that they do not outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import recorder

_PR_SET_PDEATHSIG = 1
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "HOME")


def environment() -> dict[str, str]:
    """What a child inherits: none of the server's settings, and no secret."""
    # The package need not be installed: the child finds it where this process did.
    package_root = str(Path(recorder.__file__).resolve().parent.parent)
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return kept | {"PYTHONPATH": package_root}


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
