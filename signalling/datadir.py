"""One server at a time on one data directory.

A second one would take recordings that are running for ones that a crash left behind, and finish them. The
lock is the kernel's (flock): it ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signalling.errors import DataDirectoryError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the data directory, which is made if it is missing, for as long as the block lasts.

    Raises:
        DataDirectoryError: another process holds it, or it cannot be written.
    """
    path = directory / "lock"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirectoryError(f"SIGHTLINE_DATA_DIR: {error.filename}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryError(
                f"Another server is running with the data directory {directory}."
            ) from None
        yield
    finally:
        os.close(descriptor)
