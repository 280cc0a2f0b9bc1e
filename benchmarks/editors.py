"""The rows of the language server: indexing, and answers about a document of 2,000 lines, without the network."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from benchmarks.rows import Row, absolute
from wippy.lua.analysis.completion import complete
from wippy.lua.analysis.document import Document
from wippy.lua.analysis.hover import hover_at
from wippy.lua.analysis.recovery import understand
from wippy.lua.analysis.text import Text
from wippy.lua.analysis.workspace import Workspace
from wippy.registry.entry import entry
from wippy.services.lsp.entries import RegistryProject

STEP = """
--- Step number {n}.
local function step_{n}(items: {{ {{sku: string, amount: integer}} }}, factor: number)
  local total = 0
  for _, value in ipairs(items) do
    if value.amount > factor then
      total = total + value.amount * factor
    else
      total = total - json.encode(value):len()
    end
  end
  M.last = {{ name = "n{n}", total = total }}
  return total, hash.sha256(tostring(total))
end
"""
HEAD = 'local json = require("json")\nlocal hash = require("hash")\nlocal M = {}\n'
MARKS = (b"value.", b"json.", b"hash.")
ROUNDS = 400


def _source() -> str:
    return HEAD + "".join(STEP.format(n=n) for n in range(141)) + "\nreturn M\n"


def _index(source: str) -> Row:
    text, lines, best = source.encode(), source.count("\n"), float("inf")
    for _ in range(5):
        start = time.perf_counter()
        document, _problem = understand(Text(text), "bench:large")
        best = min(best, time.perf_counter() - start)
        document.release()
    return absolute("lsp_index", best * 1e6 / lines, "ms/1k lines", 60, "<= 60 ms")


def _answers(name: str, ask: Callable[[Workspace, Document, int], object], source: str) -> Row:
    """The 99th percentile over random places behind a point."""
    large = entry("bench:large", "library.lua", {"source": source, "modules": ["json", "hash"]})
    workspace = Workspace(RegistryProject({large.id: large}))
    document = workspace.document("bench:large")
    assert document is not None
    text, chance, took = source.encode(), random.Random(1), list[float]()
    places = [at + len(mark) for mark in MARKS for at in range(len(text)) if text.startswith(mark, at)]
    for _ in range(ROUNDS):
        place = chance.choice(places)
        start = time.perf_counter()
        assert ask(workspace, document, place)
        took.append(time.perf_counter() - start)
    took.sort()
    workspace.close()
    return absolute(name, took[int(ROUNDS * 0.99)] * 1000, "ms (p99)", 20, "<= 20 ms")


def rows() -> Iterator[Row]:
    source = _source()
    yield _index(source)
    yield _answers("lsp_hover", lambda w, d, at: hover_at(w, d, at), source)
    yield _answers("lsp_complete", lambda w, d, at: complete(w, d, d.text, at).proposals, source)
