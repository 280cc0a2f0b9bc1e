"""Every method of the language server, over TCP (spec 01 §21, 02 §9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.lsp.application import FUNCTION, LIBRARY, PRICES, TOTAL, asked, port_of, served
from services.lsp.client import Client, at, text_of
from wippy import Runtime


def test_initialize_tells_what_the_server_can(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        async with Client(port_of(runtime)) as client:
            return await client.initialize()

    found = served(tmp_path, body)
    assert found["serverInfo"]["name"] == "wippy"
    assert found["capabilities"] == {
        "positionEncoding": "utf-16",
        "textDocumentSync": {"openClose": True, "change": 1},
        "hoverProvider": True,
        "definitionProvider": True,
        "referencesProvider": True,
        "documentSymbolProvider": True,
        "workspaceSymbolProvider": True,
        "completionProvider": {"triggerCharacters": [".", ":"]},
        "signatureHelpProvider": {"triggerCharacters": ["(", ","]},
        "diagnosticProvider": {"interFileDependencies": True, "workspaceDiagnostics": False},
        "callHierarchyProvider": True,
    }


def test_hover_is_markdown_with_a_fenced_signature(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        places = {
            "function": (FUNCTION, at(TOTAL, "prices.of", 8)),
            "host": (FUNCTION, at(TOTAL, "sql.get", 5)),
            "handle": (FUNCTION, at(TOTAL, "db:query")),
            "method": (FUNCTION, at(TOTAL, ":query", 1)),
            "import": (FUNCTION, at(TOTAL, "prices")),
            "loop": (FUNCTION, at(TOTAL, "item in")),
            "type": (FUNCTION, at(TOTAL, "prices.Item", 8)),
            "field": (LIBRARY, at(PRICES, "item.amount", 6)),
            "string": (FUNCTION, at(TOTAL, '"prices"', 3)),
            "nothing": (FUNCTION, {"line": 2, "character": 0}),
        }
        return {name: await client.about("hover", uri, place) for name, (uri, place) in places.items()}

    found = asked(tmp_path, body)
    assert found.pop("nothing") is None
    assert found["function"]["contents"] == {
        "kind": "markdown",
        "value": "```lua\nfunction M.of(item: Item, count: integer): integer\n```\n\nWhat an item costs.\nIn cents.",
    }
    assert text_of(TOTAL, found["function"]["range"]) == "of"
    first = {name: hover["contents"]["value"].split("\n")[1] for name, hover in found.items()}
    assert first == {
        "function": "function M.of(item: Item, count: integer): integer",
        "host": "sql.get(id: string) -> DB",
        "handle": "local db: sql.DB",
        "method": ":query(sql: string, parameters: table?) -> {table}",
        "import": "local prices: {of, scale, factor}",
        "loop": "(loop variable) item: {sku: string, amount: integer}",
        "type": "type Item = {sku: string, amount: integer}",
        "field": "amount: integer",
        "string": "library.lua app:prices",
    }
    assert "*Needs permission `db.get`" in found["host"]["contents"]["value"]
    assert "What things cost." in found["import"]["contents"]["value"]


def test_definition_leads_across_an_import(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        places = [at(TOTAL, "prices.of", 7), at(TOTAL, "add(sum"), at(TOTAL, "prices.Item", 7), at(TOTAL, "prices.of")]
        return [await client.about("definition", FUNCTION, place) for place in places]

    of, add, item, library = asked(tmp_path, body)
    assert of["uri"] == LIBRARY and of["range"]["start"] == at(PRICES, "of(item")
    assert add["uri"] == FUNCTION and add["range"]["start"] == at(TOTAL, "add(a")
    assert item["uri"] == LIBRARY and item["range"]["start"] == at(PRICES, "Item =")
    assert library["uri"] == LIBRARY and library["range"]["start"] == at(PRICES, "M = {}")


def test_an_id_in_a_string_leads_to_its_entry(tmp_path: Path) -> None:
    text = 'local funcs = require("funcs")\nreturn funcs.call("app:prices", "app:nothing")'

    async def body(client: Client) -> Any:
        client.open(FUNCTION, text)
        places = [at(text, "app:prices", 4), at(text, "app:nothing", 4)]
        return [await client.about("definition", FUNCTION, place) for place in places]

    found, nothing = asked(tmp_path, body)
    assert found["uri"] == LIBRARY and found["range"]["start"] == at(PRICES, "M = {}")
    assert nothing is None


def test_there_is_no_definition_of_what_the_host_has(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return await client.about("definition", FUNCTION, at(TOTAL, "sql.get", 5))

    assert asked(tmp_path, body) is None


def test_references_are_found_in_every_document(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        place = at(PRICES, "of(item")
        whole = await client.about("references", LIBRARY, place, context={"includeDeclaration": True})
        without = await client.about("references", LIBRARY, place, context={"includeDeclaration": False})
        from_there = await client.about(
            "references", FUNCTION, at(TOTAL, "prices.of", 8), context={"includeDeclaration": True}
        )
        return whole, without, from_there

    whole, without, from_there = asked(tmp_path, body)
    assert [(one["uri"], one["range"]["start"]) for one in whole] == [
        (LIBRARY, at(PRICES, "of(item")),
        (LIBRARY, at(PRICES, "of({")),
        (FUNCTION, at(TOTAL, "of(b")),
    ]
    assert without == whole[1:] and from_there == whole


def test_document_symbols_are_a_tree(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return await client.ask("textDocument/documentSymbol", {"textDocument": {"uri": LIBRARY}})

    found = asked(tmp_path, body)
    assert [(one["name"], one["kind"]) for one in found] == [("hash", 13), ("Item", 5), ("M", 13)]
    children = found[2]["children"]
    assert [(one["name"], one["kind"]) for one in children] == [("of", 6), ("scale", 6), ("factor", 8)]
    assert children[0]["detail"] == "(item: Item, count: integer): integer"
    assert text_of(PRICES, children[0]["selectionRange"]) == "of"
    assert children[0]["range"] == {"start": at(PRICES, "function M.of"), "end": at(PRICES, "end\n\nfunction M:", 3)}


def test_workspace_symbols_are_searched_in_all_entries(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return [await client.ask("workspace/symbol", {"query": query}) for query in ("scale", "MAIN", "itm", "zzz")]

    scale, main, item, nothing = asked(tmp_path, body)
    assert [(s["name"], s["kind"], s["containerName"], s["location"]["uri"]) for s in scale] == [
        ("scale", 6, "M", LIBRARY)
    ]
    assert {s["location"]["uri"] for s in main} == {FUNCTION}
    assert [s["name"] for s in item] == ["Item"] and nothing == []


def test_completion_behind_a_point_and_a_colon(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        found = []
        for line in ("db:", "prices.", "local price = prices.of(items, 1) pri"):
            text = TOTAL.replace("  local sum = 0", f"  {line}\n  local sum = 0")
            client.change(FUNCTION, text)
            found.append(await client.about("completion", FUNCTION, at(text, line, len(line))))
        return found

    client_open, members, names = asked(tmp_path, body)
    assert {"query", "execute", "begin"} <= {item["label"] for item in client_open["items"]}
    assert all(item["kind"] == 2 for item in client_open["items"])
    by_label = {item["label"]: item for item in members["items"]}
    assert by_label["of"]["detail"] == "function M.of(item: Item, count: integer): integer"
    assert by_label["of"]["documentation"] == {"kind": "markdown", "value": "What an item costs.\nIn cents."}
    assert by_label["of"]["kind"] == 3 and by_label["factor"]["kind"] == 5
    assert {"prices", "print"} <= {item["label"] for item in names["items"]}


def test_signature_help_follows_the_arguments(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        found = []
        for line in ("prices.of(", "prices.of(items, "):
            text = TOTAL.replace("  local sum = 0", f"  {line}\n  local sum = 0")
            client.change(FUNCTION, text)
            found.append(await client.about("signatureHelp", FUNCTION, at(text, line, len(line))))
        return found

    first, second = asked(tmp_path, body)
    assert first["signatures"][0]["label"] == "of(item: Item, count: integer): integer"
    assert first["signatures"][0]["parameters"] == [{"label": "item: Item"}, {"label": "count: integer"}]
    assert (first["activeParameter"], second["activeParameter"]) == (0, 1)


def test_diagnostics_follow_what_is_typed(tmp_path: Path) -> None:
    texts = ['local s = "𝄞" local x = require("nope")\nreturn s, x, y', "return 1 return", TOTAL]

    async def body(client: Client) -> Any:
        reports = [await client.ask("textDocument/diagnostic", {"textDocument": {"uri": FUNCTION}})]
        client.open(FUNCTION, TOTAL)
        for text in texts:
            client.change(FUNCTION, text)
            reports.append(await client.ask("textDocument/diagnostic", {"textDocument": {"uri": FUNCTION}}))
        return reports

    clean, undeclared, syntax, again = asked(tmp_path, body)
    assert clean == again == {"kind": "full", "items": []}
    assert [(i["code"], i["severity"], text_of(texts[0], i["range"]), i["source"]) for i in undeclared["items"]] == [
        ("M0001", 1, '"nope"', "wippy"),
        ("E0001", 1, "y", "wippy"),
    ]
    assert undeclared["items"][0]["message"] == 'require("nope") is not declared in _index.yaml imports or modules'
    assert [(i["code"], i["severity"]) for i in syntax["items"]] == [("P0001", 1)]


def test_style_rules_are_diagnosed_for_a_client_that_wants_them(tmp_path: Path) -> None:
    text = "local function f(a) if f then end end\nlocal unused = 1\nreturn f"

    async def body(runtime: Runtime) -> Any:
        async with Client(port_of(runtime)) as client:
            await client.initialize(initializationOptions={"rules": True})
            client.open(FUNCTION, text)
            return await client.ask("textDocument/diagnostic", {"textDocument": {"uri": FUNCTION}})

    found = served(tmp_path, body)
    assert {(item["code"], item["severity"]) for item in found["items"]} == {("W0001", 2), ("W0004", 2), ("W0005", 4)}


def test_call_hierarchy_in_both_directions(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        (of,) = await client.about("prepareCallHierarchy", FUNCTION, at(TOTAL, "prices.of", 8))
        (main,) = await client.about("prepareCallHierarchy", FUNCTION, at(TOTAL, "main(items"))
        nothing = await client.about("prepareCallHierarchy", FUNCTION, at(TOTAL, "sum = 0"))
        incoming = await client.ask("callHierarchy/incomingCalls", {"item": of})
        outgoing = await client.ask("callHierarchy/outgoingCalls", {"item": main})
        (add,) = [one["to"] for one in outgoing]
        return of, nothing, incoming, outgoing, await client.ask("callHierarchy/outgoingCalls", {"item": add})

    of, nothing, incoming, outgoing, further = asked(tmp_path, body)
    assert (of["name"], of["kind"], of["uri"]) == ("of", 6, LIBRARY) and nothing is None
    assert [(one["from"]["name"], one["from"]["uri"]) for one in incoming] == [("scale", LIBRARY), ("add", FUNCTION)]
    assert [text_of(TOTAL, place) for place in incoming[1]["fromRanges"]] == ["of"]
    assert [(one["to"]["name"], one["fromRanges"][0]["start"]) for one in outgoing] == [("add", at(TOTAL, "add(sum"))]
    assert [(one["to"]["name"], one["to"]["uri"]) for one in further] == [("of", LIBRARY)]


def test_a_call_from_the_chunk_itself_comes_from_the_entry(tmp_path: Path) -> None:
    text = 'local prices = require("prices")\nlocal fixed = prices.of(nil, 1)\nreturn { main = fixed }'

    async def body(client: Client) -> Any:
        client.open(FUNCTION, text)
        (of,) = await client.about("prepareCallHierarchy", FUNCTION, at(text, "of(nil"))
        incoming = await client.ask("callHierarchy/incomingCalls", {"item": of})
        return incoming[-1]["from"], await client.ask("callHierarchy/outgoingCalls", {"item": incoming[-1]["from"]})

    chunk, outgoing = asked(tmp_path, body)
    assert (chunk["name"], chunk["kind"]) == ("app:total", 2)
    assert [one["to"]["name"] for one in outgoing] == ["of"]


def test_a_document_may_be_named_by_its_bare_id(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return [
            await client.about("hover", uri, at(TOTAL, "add(a"))
            for uri in ("app:total", "wippy://app:total", "wippy://app%3Atotal", "wippy:///app:total")
        ]

    found = asked(tmp_path, body)
    assert found[0] is not None and all(one == found[0] for one in found)


def test_an_unknown_document_has_nothing(tmp_path: Path) -> None:
    place = {"line": 0, "character": 0}

    async def body(client: Client) -> Any:
        document = {"textDocument": {"uri": "app:missing"}}
        methods = ["hover", "definition", "references", "completion", "signatureHelp", "prepareCallHierarchy"]
        found = [await client.about(method, "app:missing", place) for method in methods]
        found.append(await client.ask("textDocument/documentSymbol", document))
        return [*found, await client.ask("textDocument/diagnostic", document)]

    nothing = {"isIncomplete": False, "items": []}
    assert asked(tmp_path, body) == [None, None, [], nothing, None, None, [], {"kind": "full", "items": []}]
