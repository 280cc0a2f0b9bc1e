"""An application on disk whose runtime serves the language server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from apps.guest import LIMIT
from apps.program import project
from services.lsp.client import Client
from wippy import Runtime

T = TypeVar("T")

INDEX = """
version: "1.0"
namespace: app
entries:
  - name: prices
    kind: library.lua
    meta: { comment: What things cost. }
    source: file://prices.lua
    modules: [hash]
  - name: total
    kind: function.lua
    source: file://total.lua
    method: main
    modules: [json, sql]
    imports: { prices: "app:prices" }
"""
PRICES = """\
-- Prices of goods: 𝄞
local hash = require("hash")

type Item = {sku: string, amount: integer}

local M = {}

--- What an item costs.
--- In cents.
function M.of(item: Item, count: integer): integer
  local digest = hash.sha256(item.sku)
  return item.amount * count, digest
end

function M:scale(factor: number)
  self.factor = factor
  return M.of({ sku = "𝄞", amount = 1 }, 2)
end

return M
"""
TOTAL = """\
local prices = require("prices")
local sql = require("sql")

local function add(a, b)
  return a + prices.of(b, 1)
end

local function main(items: {prices.Item})
  local db = sql.get("app:db")
  db:query("select 1")
  local sum = 0
  for _, item in ipairs(items) do
    sum = add(sum, item)
  end
  return sum
end

return { main = main }
"""
LIBRARY = "wippy://app:prices"
FUNCTION = "wippy://app:total"
SETTINGS = ("lsp.enabled=true", "lsp.address=127.0.0.1:0", "lsp.http_enabled=true", "lsp.http_address=127.0.0.1:0")


def served(directory: Path, body: Callable[[Runtime], Awaitable[T]], *settings: str, index: str = INDEX) -> T:
    """What `body` gives while the application runs."""
    project(directory, _index=index, **{"prices.lua": PRICES, "total.lua": TOTAL})

    async def session() -> T:
        async with Runtime(directory, settings=(*SETTINGS, *settings)) as runtime:
            async with asyncio.timeout(3 * LIMIT):
                return await body(runtime)

    return asyncio.run(session())


def asked(directory: Path, body: Callable[[Client], Awaitable[T]], *settings: str) -> T:
    """What `body` gives with one client that has said `initialize`."""

    async def connected(runtime: Runtime) -> T:
        async with Client(port_of(runtime)) as client:
            await client.initialize()
            return await body(client)

    return served(directory, connected, *settings)


def port_of(runtime: Runtime) -> int:
    return runtime.companions["language_server"].port
