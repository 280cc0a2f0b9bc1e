"""The shop changes while people shop: a new route, a changed handler, a price that is rolled back. Every request of a
steady load is answered, and with one of the answers that are right."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from apps.program import LIMIT, Serving, copy_of, eventually, free_port, serving

SHOP = Path(__file__).parents[2] / "examples" / "shop"
ROUNDS = 8

ADMIN = """\
version: "1.0"
namespace: admin
entries:
  - { name: apply, kind: function.lua, source: file://admin.lua, method: apply, modules: [http, registry] }
  - { name: go, kind: function.lua, source: file://admin.lua, method: go, modules: [http, registry] }
  - name: apply.post
    kind: http.endpoint
    meta: { router: "shop:root" }
    method: POST
    path: /admin/apply
    func: apply
  - name: go.post
    kind: http.endpoint
    meta: { router: "shop:root" }
    method: POST
    path: /admin/go
    func: go
"""
ADMIN_LUA = """\
local http, registry = require("http"), require("registry")

local function answer(value, err)
  local res = http.response()
  if err then
    res:set_status(500)
    res:write_json({ error = err:message() })
  else
    res:write_json(value)
  end
end

local function apply()
  local changes = registry.snapshot():changes()
  for _, op in ipairs(http.request():body_json()) do assert(changes[op[1]](changes, op[2])) end
  local version, err = changes:apply()
  answer(version and { version = version:id() }, err)
end

local function go()
  local version = assert(registry.history():get_version(http.request():body_json().version))
  local _, err = registry.apply_version(version)
  answer({ version = registry.current_version():id() }, err)
end

return { apply = apply, go = go }
"""
HEALTH = """\
local function handler() answers.json({ status = "ok", release = %d }) end
return { handler = handler }
"""
OFFERS = """\
local function handler() answers.json({ offers = { "tea" } }) end
return { handler = handler }
"""


class Load:
    """Shoppers who never stop: each on a connection of its own that stays open, as a browser's does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopping = threading.Event()
        self.answered: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.slowest = 0.0
        self._threads = [
            threading.Thread(target=self._guarded, args=(work, number), daemon=True)
            for number, work in enumerate((self._browse, self._browse, self._look, self._buy))
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(LIMIT)

    def _guarded(self, work: Any, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=LIMIT)
        try:
            while not self._stopping.is_set():
                work(connection, number)
        except Exception as error:  # a connection that was dropped is as wrong as a wrong answer
            self.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _ask(self, connection: HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        began = time.monotonic()
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        text = response.read()
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.answered[path.split("/u")[0]] += 1
        return response.status, json.loads(text) if response.status < 400 else text

    def _check(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(what)

    def _browse(self, connection: HTTPConnection, _: int) -> None:
        status, found = self._ask(connection, "GET", "/api/catalogue")
        prices = {product["sku"]: product["price"] for product in found["products"]}
        self._check(status == 200 and prices.pop("tea") in (450, 500), f"catalogue {status} {found}")
        self._check(prices == {"mug": 1200, "kettle": 3900}, f"catalogue {found}")

    def _look(self, connection: HTTPConnection, _: int) -> None:
        status, found = self._ask(connection, "GET", "/health")
        release = found.pop("release", 0)
        self._check(status == 200 and found == {"status": "ok"} and 0 <= release <= ROUNDS, f"health {status} {found}")
        status, found = self._ask(connection, "GET", "/api/offers")
        self._check(
            (status, found) in ((200, {"offers": ["tea"]}), (404, b"404 page not found\n")), f"offers {status} {found}"
        )

    def _buy(self, connection: HTTPConnection, number: int) -> None:
        status, cart = self._ask(connection, "POST", f"/api/cart/u{number}", {"sku": "tea"})
        self._check(status == 200 and cart["lines"][0]["price"] in (450, 500), f"cart {status} {cart}")
        status, order = self._ask(connection, "POST", f"/api/cart/u{number}/checkout")
        self._check(status == 201 and order["total"] == cart["lines"][0]["price"], f"checkout {status} {order}")


class Keeper:
    """Who changes the shop while it is open, through its own registry."""

    def __init__(self, shop: Serving) -> None:
        self._shop = shop

    def apply(self, *operations: tuple[str, Any]) -> int:
        return self._version("/admin/apply", [list(operation) for operation in operations])

    def go(self, version: int) -> int:
        return self._version("/admin/go", {"version": version})

    def _version(self, path: str, body: Any) -> int:
        answer = self._shop.ask("POST", path, body)
        assert answer.status == 200, answer.text
        version: int = answer.json["version"]
        return version

    def sees(self, path: str) -> Any:
        answer = self._shop.ask("GET", path)
        return answer.json if answer.status == 200 else answer.status

    def price(self) -> int:
        (tea,) = (product for product in self.sees("/api/catalogue")["products"] if product["sku"] == "tea")
        price: int = tea["price"]
        return price


def handler(name: str, source: str) -> dict[str, Any]:
    data = {"source": source, "method": "handler", "imports": {"answers": "shop:answers"}}
    return {"id": f"shop:{name}", "kind": "function.lua", "data": data}


ROUTE = {
    "id": "shop:offers.get",
    "kind": "http.endpoint",
    "meta": {"router": "shop:api"},
    "data": {"method": "GET", "path": "/offers", "func": "shop:offers"},
}
DEARER = {
    "id": "shop.catalogue:tea",
    "kind": "registry.entry",
    "meta": {"type": "product"},
    "data": {"title": "Green tea", "price": 500},
}


@contextlib.contextmanager
def open_shop(directory: Path) -> Iterator[Serving]:
    shop, port = copy_of(SHOP, directory), free_port()
    (shop / "src" / "admin.yaml").write_text(ADMIN)
    (shop / "src" / "admin.lua").write_text(ADMIN_LUA)
    with serving(shop, "-o", f"shop:gateway:addr=127.0.0.1:{port}", port=port) as running:
        yield running


def test_a_new_route_a_changed_handler_and_a_rolled_back_price_under_load(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        keeper = Keeper(shop)
        with Load(shop.port) as load:

            def more_answers() -> None:
                """Returns when the load has gone on a little."""
                before = Counter(load.answered)
                eventually(lambda: load.wrong or min((load.answered - before).values(), default=0) >= 3)

            more_answers()
            for release in range(1, ROUNDS + 1):
                assert keeper.sees("/api/offers") == 404
                keeper.apply(("create", handler("offers", OFFERS)), ("create", ROUTE))
                assert keeper.sees("/api/offers") == {"offers": ["tea"]}
                more_answers()
                before = keeper.apply(("update", handler("health", HEALTH % release)))
                assert keeper.sees("/health") == {"status": "ok", "release": release}
                more_answers()
                keeper.apply(("update", DEARER))
                assert keeper.price() == 500
                more_answers()
                assert keeper.go(before) == before and keeper.price() == 450
                more_answers()
                keeper.apply(("delete", "shop:offers.get"), ("delete", "shop:offers"))
                more_answers()
        assert load.wrong == []
        assert set(load.answered) == {"/api/catalogue", "/health", "/api/offers", "/api/cart"}
        assert shop.stop() == 0
        assert not any("Traceback" in line for line in shop.lines)
        print(f"{load.answered.total()} requests during {ROUNDS * 5} changes, the slowest {load.slowest * 1000:.0f} ms")
