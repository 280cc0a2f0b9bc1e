"""`wippy lsp`: the language server that an editor starts, on source files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from apps.guest import LIMIT
from apps.program import WIPPY, project
from services.lsp.application import INDEX, PRICES, TOTAL
from services.lsp.client import Client, at

T = TypeVar("T")


class Editor(Client):
    """A client that starts its server."""

    def __init__(self, directory: Path) -> None:
        super().__init__(0)
        self._directory = directory

    async def __aenter__(self) -> Editor:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            WIPPY, "lsp", cwd=self._directory, stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.reader, self.writer = self.process.stdout, self.process.stdin
        return self

    async def ended(self) -> tuple[int, bytes]:
        """The exit code and what stands on stderr."""
        async with asyncio.timeout(LIMIT):
            _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors


def edited(directory: Path, body: Callable[[Editor], Awaitable[T]]) -> tuple[T, int, bytes]:
    project(directory, _index=INDEX, **{"prices.lua": PRICES, "total.lua": TOTAL})

    async def session() -> tuple[T, int, bytes]:
        async with asyncio.timeout(3 * LIMIT), Editor(directory) as editor:
            await editor.initialize()
            found = await body(editor)
            await editor.ask("shutdown")
            editor.notify("exit")
            return found, *await editor.ended()

    return asyncio.run(session())


def test_files_are_documents(tmp_path: Path) -> None:
    file = (tmp_path / "src" / "total.lua").as_uri()

    async def body(editor: Editor) -> Any:
        editor.open(file, TOTAL)
        definition = await editor.about("definition", file, at(TOTAL, "prices.of", 8))
        hover = await editor.about("hover", "wippy://app:total", at(TOTAL, "add(a"))
        symbols = await editor.ask("workspace/symbol", {"query": "scale"})
        return definition, hover, symbols, await editor.ask("textDocument/diagnostic", {"textDocument": {"uri": file}})

    (definition, hover, symbols, report), code, errors = edited(tmp_path, body)
    library = (tmp_path / "src" / "prices.lua").as_uri()
    assert definition["uri"] == library and definition["range"]["start"] == at(PRICES, "of(item")
    assert "add(a, b)" in hover["contents"]["value"]
    assert [one["location"]["uri"] for one in symbols] == [library]
    assert report == {"kind": "full", "items": []}
    assert (code, errors) == (0, b"")


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    source = tmp_path / "src" / "prices.lua"

    async def body(editor: Editor) -> Any:
        editor.open(source.as_uri(), PRICES)
        source.write_text(PRICES.replace("M.of", "M.amount_of"))
        index = tmp_path / "src" / "_index.yaml"
        index.write_text(f"{INDEX}  - {{ name: more, kind: library.lua, source: file://more.lua }}\n")
        (tmp_path / "src" / "more.lua").write_text("return { brand_new = 1 }\n")
        editor.close(source.as_uri())
        return [await editor.ask("workspace/symbol", {"query": query}) for query in ("amount_of", "brand_new")]

    (renamed, added), _, _ = edited(tmp_path, body)
    assert [one["location"]["uri"] for one in renamed] == [source.as_uri()]
    assert [one["location"]["uri"] for one in added] == [(tmp_path / "src" / "more.lua").as_uri()]


def test_a_file_outside_the_project_is_still_helped_with(tmp_path: Path) -> None:
    text = "local json = require('json')\nlocal function f(a) return a end\nreturn f(json"

    async def body(editor: Editor) -> Any:
        editor.open("file:///elsewhere/x.lua", text)
        document = {"textDocument": {"uri": "file:///elsewhere/x.lua"}}
        definition = await editor.about("definition", "file:///elsewhere/x.lua", at(text, "f(json"))
        return definition, await editor.ask("textDocument/diagnostic", document)

    (definition, report), _, _ = edited(tmp_path, body)
    assert definition["uri"] == "file:///elsewhere/x.lua"
    assert [item["code"] for item in report["items"]] == ["P0001"]


def test_an_editor_that_vanishes_ends_the_server(tmp_path: Path) -> None:
    project(tmp_path, _index=INDEX, **{"prices.lua": PRICES, "total.lua": TOTAL})

    async def session() -> int:
        async with Editor(tmp_path) as editor:
            await editor.initialize()
            editor.writer.close()
            return (await editor.ended())[0]

    assert asyncio.run(session()) == 1


def test_a_broken_definition_file_is_told_on_stderr_and_the_rest_is_served(tmp_path: Path) -> None:
    (tmp_path / "src" / "broken").mkdir(parents=True)
    (tmp_path / "src" / "broken" / "_index.yaml").write_text("entries: [")

    async def body(editor: Editor) -> Any:
        return await editor.ask("workspace/symbol", {"query": "scale"})

    symbols, code, errors = edited(tmp_path, body)
    assert len(symbols) == 1 and code == 0
    assert b"src/broken/_index.yaml:" in errors and b"Traceback" not in errors
