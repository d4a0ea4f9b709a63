"""Where media files are: catalogue paths, which survive a move of the data, and files on this machine.

A catalogue path is `photos/…` or `recordings/…`; each of the two stands for a directory of the recorder's.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from recorder.settings import RecorderSettings


class Library:
    def __init__(self, *, photos: Path, recordings: Path) -> None:
        self._shelves = {"photos": photos.absolute(), "recordings": recordings.absolute()}

    @classmethod
    def of(cls, settings: RecorderSettings) -> Library:
        photos = settings.photos_directory or settings.directory.parent / "photos"
        return cls(photos=photos, recordings=settings.directory)

    def catalogue_path(self, file: Path) -> str:
        """Raises ValueError: the file is on none of our shelves."""
        for name, directory in self._shelves.items():
            if file.is_relative_to(directory):
                return str(PurePosixPath(name, file.relative_to(directory)))
        raise ValueError("a media file outside the media directories")

    def file(self, catalogue_path: str) -> Path | None:
        """The file, or None where the path leads nowhere, or out of our directories."""
        name, _, rest = catalogue_path.partition("/")
        directory = self._shelves.get(name)
        if directory is None:
            return None
        file = (directory / rest).resolve()
        return file if file.is_relative_to(directory.resolve()) and file.is_file() else None
