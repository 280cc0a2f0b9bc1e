"""Where environment variables are kept (spec 04a §7.1): the OS environment, memory, a file, several in order."""

from __future__ import annotations

import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wippy.core.errors import PERMISSION_DENIED, Error, internal, invalid, unavailable


class Storage(ABC):
    """Texts by key. Calls are synchronous and short."""

    @abstractmethod
    def get(self, key: str) -> str | None:
        """The text of a key, None when it has none. Raises Error when the storage cannot be read."""

    @abstractmethod
    def all(self) -> Mapping[str, str]:
        """Everything in the storage. Raises Error when it cannot be read."""

    def set(self, key: str, value: str) -> None:
        """Keeps a text. Raises Error(PermissionDenied) when the storage is read-only."""
        raise Error(PERMISSION_DENIED, "storage is read-only")


class OsStorage(Storage):
    """The environment of this process, read-only."""

    def get(self, key: str) -> str | None:
        return os.environ.get(key)

    def all(self) -> Mapping[str, str]:
        return dict(os.environ)


class StaticStorage(Storage):
    """Values written in the entry, read-only."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, key: str) -> str | None:
        return self._values.get(key)

    def all(self) -> Mapping[str, str]:
        return dict(self._values)


class MemoryStorage(StaticStorage):
    """Lost when the entry goes."""

    def __init__(self) -> None:
        super().__init__({})

    def set(self, key: str, value: str) -> None:
        self._values[key] = value


_LINE = re.compile(r"\s*([^=#\s][^=#]*?)\s*=\s*([^#\r\n]*?)\s*(#.*)?\Z")


class FileStorage(Storage):
    """`KEY=VALUE` lines. A comment begins with `#`, also behind a value; there is no quoting."""

    def __init__(self, path: Path, *, auto_create: bool, file_mode: int, dir_mode: int) -> None:
        self._path = path
        self._auto_create = auto_create
        self._file_mode = file_mode
        self._dir_mode = dir_mode
        self._read_at: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self._current().get(key)

    def all(self) -> Mapping[str, str]:
        return dict(self._current())

    def set(self, key: str, value: str) -> None:
        """Rewrites the file in one step: other lines stay, and so does the comment behind this key's value."""
        if not re.fullmatch(r"[^=#\s]([^=#\r\n]*[^=#\s])?", key) or re.search(r"[#\r\n]", value):
            raise invalid(f"{key}: neither name nor value may contain '#' or a line end")
        lines = self._lines()
        if lines is None:
            if not self._auto_create:
                raise unavailable(f"{self._path}: file does not exist", retryable=False)
            lines = []
        self._write(_replaced(lines, key, value))

    def _lines(self) -> list[str] | None:
        try:
            return self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as e:
            raise internal(f"{self._path}: cannot be read: {e}") from None

    def _current(self) -> dict[str, str]:
        """The values, read again when the file has changed."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            return {}
        if stamp != self._read_at:
            found = (_LINE.match(line) for line in self._lines() or ())
            self._values = {match[1]: match[2] for match in found if match}
            self._read_at = stamp
        return self._values

    def _write(self, lines: Sequence[str]) -> None:
        folder = self._path.parent
        try:
            folder.mkdir(mode=self._dir_mode, parents=True, exist_ok=True)
            mode = self._path.stat().st_mode & 0o777 if self._path.exists() else self._file_mode
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    out.writelines(f"{line}\n" for line in lines)
                os.chmod(temporary, mode)
                os.replace(temporary, self._path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as e:
            raise internal(f"{self._path}: cannot be written: {e}") from None
        self._read_at = None


def _replaced(lines: Sequence[str], key: str, value: str) -> list[str]:
    out, done = [], False
    for line in lines:
        match = _LINE.match(line)
        if match is None or match[1] != key or done:
            out.append(line)
            continue
        out.append(f"{key}={value} {match[3]}" if match[3] else f"{key}={value}")
        done = True
    return out if done else [*out, f"{key}={value}"]


class RouterStorage(Storage):
    """Several storages in order: reading asks each, writing goes to the first."""

    def __init__(self, storages: Callable[[], Sequence[Storage]]) -> None:
        self._storages = storages

    def get(self, key: str) -> str | None:
        for storage in self._storages():
            value = storage.get(key)
            if value is not None:
                return value
        return None

    def all(self) -> Mapping[str, str]:
        merged: dict[str, str] = {}
        for storage in reversed(self._storages()):
            merged.update(storage.all())
        return merged

    def set(self, key: str, value: str) -> None:
        self._storages()[0].set(key, value)
