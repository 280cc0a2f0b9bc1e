"""What is being typed, and what the registry says, as other documents and other clients see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.lsp.application import FUNCTION, LIBRARY, PRICES, TOTAL, asked, port_of, served
from services.lsp.client import Client, at, text_of
from wippy import Runtime
from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Update
from wippy.registry.entry import Entry, entry

RENAMED = PRICES.replace("M.of", "M.amount_of")


async def labels(client: Client) -> set[str]:
    """What completion proposes for the members of the library."""
    text = TOTAL.replace("prices.of(b, 1)", "prices.")
    client.change(FUNCTION, text)
    found = await client.about("completion", FUNCTION, at(text, "prices.\n", 7))
    return {item["label"] for item in found["items"]}


def test_unsaved_text_counts_for_other_documents_until_it_is_closed(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        before = await labels(client)
        client.open(LIBRARY, PRICES)
        client.change(LIBRARY, RENAMED)
        during = await labels(client)
        client.close(LIBRARY)
        return before, during, await labels(client)

    before, during, after = asked(tmp_path, body)
    assert before == after == {"of", "scale", "factor", "Item"}
    assert during == {"amount_of", "scale", "factor", "Item"}


def test_text_of_a_client_that_goes_away_counts_no_more(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        async with Client(port_of(runtime)) as other:
            await other.initialize()
            async with Client(port_of(runtime)) as client:
                await client.initialize()
                client.open(LIBRARY, RENAMED)
                during = await labels(client)
                seen = await labels(other)
                await client.ask("shutdown")
                client.notify("exit")
                assert await client.closed()
            return during, seen, await labels(other)

    during, seen, after = served(tmp_path, body)
    assert "amount_of" in during and seen == during and "of" in after


def test_a_new_entry_is_helped_with_before_it_is_in_the_registry(tmp_path: Path) -> None:
    text = "local function greet(name: string) return name end\nreturn { greet = greet, x = nope }"

    async def body(client: Client) -> Any:
        client.open("app:new", text)
        hover = await client.about("hover", "app:new", at(text, "greet,"))
        symbols = await client.ask("workspace/symbol", {"query": "greet"})
        return hover, symbols, await client.ask("textDocument/diagnostic", {"textDocument": {"uri": "app:new"}})

    hover, symbols, report = asked(tmp_path, body)
    assert "greet(name: string)" in hover["contents"]["value"]
    assert {one["location"]["uri"] for one in symbols} == {"wippy://app:new"}
    assert [(item["code"], text_of(text, item["range"])) for item in report["items"]] == [("E0001", "nope")]


def test_changes_of_the_registry_are_followed(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        registry = runtime.node.registry
        library = registry.get(EntryId.parse("app:prices"))
        assert library is not None
        async with Client(port_of(runtime)) as client:
            await client.initialize()
            found = [await labels(client)]
            changed = Entry(library.id, library.kind, library.meta, {**library.data, "source": RENAMED})
            await registry.apply([Update(changed)])
            found.append(await labels(client))
            await registry.apply([Create(entry("app:extra", "library.lua", {"source": "return { unheard_of = 1 }"}))])
            added = await client.ask("workspace/symbol", {"query": "unheard_of"})
            await registry.apply([Delete(EntryId.parse("app:extra"))])
            removed = await client.ask("workspace/symbol", {"query": "unheard_of"})
            await registry.apply_version(0)
            found.append(await labels(client))
            return found, added, removed

    (before, changed, back), added, removed = served(tmp_path, body)
    assert "of" in before and "amount_of" in changed and back == before
    assert [one["location"]["uri"] for one in added] == ["wippy://app:extra"] and removed == []


def test_positions_behind_characters_of_two_units(tmp_path: Path) -> None:
    text = 'local s = "𝄞𝄞" local target = 1 return target, s'

    async def body(client: Client) -> Any:
        client.open(FUNCTION, text)
        return await client.about("definition", FUNCTION, at(text, "target,"))

    found = asked(tmp_path, body)
    assert found["range"]["start"] == at(text, "target =") and text_of(text, found["range"]) == "target"
    assert found["range"]["start"]["character"] == text.index("target") + 2
