"""Multipart forms (spec 05 §4.1): fields in memory, files in memory up to a limit and in temporary files beyond it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

from wippy.core.errors import internal, invalid
from wippy.services.http.body import Body
from wippy.services.stream.stream import State, Stream, aside

MOST_PARTS = 1000
FIELDS = 10 * 1024 * 1024
"""Bytes of fields beyond what a form may keep in memory."""


class FormFile:
    """An uploaded file. What a temporary file takes is given back when nothing refers to this object any more."""

    def __init__(self, name: str, headers: dict[str, str]) -> None:
        self.name = name
        self.headers = headers
        self.size = 0
        self._memory = bytearray()
        self._file: Any = None

    async def add(self, data: bytes, *, in_memory: bool) -> None:
        """Appends `data`; once it does not fit into memory the file moves to disk."""
        if in_memory and self._file is None:
            self._memory += data
        else:
            await aside(self._spool, data)
        self.size += len(data)

    def _spool(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it lives as long as the request)
                self._file.write(self._memory)
                self._memory = bytearray()
            self._file.write(data)
        except OSError as e:
            raise internal(f"an uploaded file cannot be kept: {e.strerror}") from None

    async def read(self, position: int, most: int) -> bytes:
        if self._file is None:
            return bytes(self._memory[position : position + most])
        return await aside(os.pread, self._file.fileno(), most, position)

    def stream(self) -> FormFileStream:
        """Its content from the beginning; every stream has a position of its own."""
        return FormFileStream(self)


class FormFileStream(Stream):
    readable = True
    seekable = True

    def __init__(self, file: FormFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    async def _read(self, most: int) -> bytes:
        data = await self._file.read(self._position, most)
        self._position += len(data)
        return data

    async def _seek(self, offset: int, whence: int) -> int:
        target = (0, self._position, self._file.size)[whence] + offset
        if target < 0:
            raise internal("seek failed: position before the beginning")
        self._position = target
        return target

    def _state(self) -> State:
        return State(self._file.size, self._position)

    async def _close(self) -> None:
        pass


class Form:
    """The parts of a form by name, in the order they came."""

    def __init__(self, memory: int) -> None:
        self.values: dict[str, list[bytearray]] = {}
        self.files: dict[str, list[FormFile]] = {}
        self._memory = memory
        self._fields = memory + FIELDS

    def described(self) -> dict[str, Any]:
        """For guests: values by name (a list where there are several), name, size and headers of files."""
        values = {k: [bytes(v) for v in found] for k, found in self.values.items()}
        return {
            "values": {k: v[0] if len(v) == 1 else v for k, v in values.items()},
            "files": {
                field: [{"name": f.name, "size": f.size, "headers": f.headers, "field": field} for f in found]
                for field, found in self.files.items()
            },
        }

    async def _add(self, part: bytearray | FormFile, data: bytes) -> None:
        if isinstance(part, FormFile):
            fits = len(data) <= self._memory
            if fits:
                self._memory -= len(data)
            await part.add(data, in_memory=fits)
            return
        self._fields -= len(data)
        if self._fields < 0:
            raise internal("the fields of the form are too large")
        part += data

    def _part(self, segment: Any) -> bytearray | FormFile | None:
        if segment.name is None:
            return None
        if segment.filename is None:
            value = bytearray()
            self.values.setdefault(segment.name, []).append(value)
            return value
        headers = {key.lower(): value for key, value in segment.headerlist}
        file = FormFile(segment.filename.rpartition("/")[2], headers)
        self.files.setdefault(segment.name, []).append(file)
        return file

    async def read(self, content_type: str, body: Body) -> None:
        """Takes the parts out of a body. Raises Error(Invalid) when it is no form, Error(Internal) for a bad one."""
        import multipart

        kind, options = multipart.parse_options_header(content_type)
        if kind != "multipart/form-data":
            raise invalid("request is not multipart/form-data")
        try:
            with multipart.PushMultipartParser(options.get("boundary", ""), max_segment_count=MOST_PARTS) as parser:
                part: bytearray | FormFile | None = None
                async for piece in body.pieces():
                    for event in parser.parse(piece):
                        if isinstance(event, multipart.MultipartSegment):
                            part = self._part(event)
                        elif event and part is not None:
                            await self._add(part, event)
        except multipart.MultipartError as e:
            raise internal(f"malformed multipart form: {e}") from None


async def read_form(content_type: str, body: Body, memory: int, seconds: float) -> Form:
    """The form of a request. `memory`: bytes of files that are kept there. Raises Error."""
    form = Form(memory)
    try:
        await asyncio.wait_for(form.read(content_type, body), seconds)
    except TimeoutError:
        raise internal("reading the form took too long") from None
    return form
