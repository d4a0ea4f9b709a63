import subprocess
import sys
from pathlib import Path

import pytest

from signalling.datadir import locked
from signalling.errors import DataDirectoryError

HOLDER = """
import sys
from pathlib import Path
from signalling.datadir import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_server_is_refused_until_the_first_one_is_gone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with locked(directory), pytest.raises(DataDirectoryError, match="Another server"), locked(directory):
        pass
    with locked(directory):
        pass


def test_a_server_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DataDirectoryError), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match="SIGHTLINE_DATA_DIR"), locked(tmp_path / "file"):
        pass
