"""A shopper at the shop: buys over HTTP, and the van breaks down on the way."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.program import Answer, Serving, ask, copy_of, eventually, free_port, serving

SHOP = Path(__file__).parents[2] / "examples" / "shop"


class Shopper:
    """What one user of the shop does."""

    def __init__(self, shop: Serving, user: str) -> None:
        self._shop = shop
        self._user = user

    def catalogue(self) -> dict[str, Any]:
        products = self._shop.ask("GET", "/api/catalogue").json["products"]
        return {product["sku"]: product for product in products}

    def add(self, sku: Any, quantity: Any = 1) -> Answer:
        return self._shop.ask("POST", f"/api/cart/{self._user}", {"sku": sku, "quantity": quantity})

    def cart(self) -> Any:
        return self._shop.ask("GET", f"/api/cart/{self._user}").json["lines"]

    def checkout(self) -> Answer:
        return self._shop.ask("POST", f"/api/cart/{self._user}/checkout")

    def order(self, number: int) -> Any:
        return self._shop.ask("GET", f"/api/orders/{number}").json

    def buy(self, sku: str) -> int:
        """The number of an order of one thing."""
        assert self.add(sku).status == 200
        number: int = self.checkout().json["id"]
        return number

    def wait_for(self, number: int) -> None:
        eventually(lambda: self.order(number)["status"] == "delivered")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of(SHOP, tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shop(directory: Path) -> Iterator[Serving]:
    port = free_port()
    with serving(directory, "-o", f"shop:gateway:addr=127.0.0.1:{port}", port=port) as running:
        yield running


def test_health(shop: Serving) -> None:
    answer = shop.ask("GET", "/health")
    assert answer.status == 200 and answer.json == {"status": "ok"}
    assert answer.headers["content-type"] == "application/json"


def test_catalogue_lists_products_of_the_registry(shop: Serving) -> None:
    products = Shopper(shop, "nobody").catalogue()
    assert products["tea"] == {"sku": "tea", "title": "Green tea", "price": 450}
    assert set(products) == {"tea", "mug", "kettle"}


def test_an_order_is_placed_stored_and_delivered(shop: Serving, directory: Path) -> None:
    ada = Shopper(shop, "ada")
    assert ada.cart() == []
    assert ada.add("tea", 2).json["lines"] == [{"sku": "tea", "quantity": 2, "price": 450}]
    ada.add("mug")
    answer = ada.checkout()
    assert answer.status == 201
    order = answer.json
    assert order == {"id": order["id"], "user": "ada", "total": 2100, "status": "placed"}
    assert ada.cart() == []
    ada.wait_for(order["id"])

    with sqlite3.connect(directory / "shop.db") as db:
        assert db.execute("SELECT user, total FROM orders WHERE id = ?", (order["id"],)).fetchall() == [("ada", 2100)]
        lines = db.execute("SELECT sku, quantity, price FROM lines WHERE order_id = ?", (order["id"],)).fetchall()
    assert sorted(lines) == [("mug", 1, 1200), ("tea", 2, 450)]


def test_every_user_has_a_cart_of_their_own(shop: Serving) -> None:
    grace, linus = Shopper(shop, "grace"), Shopper(shop, "linus")
    grace.add("kettle")
    assert linus.cart() == []
    assert [line["sku"] for line in grace.cart()] == ["kettle"]


def test_the_van_breaks_down_at_every_third_order_and_comes_back(shop: Serving) -> None:
    eve = Shopper(shop, "eve")
    before = len(shop.logged("the van broke down"))
    orders = []
    for _ in range(3):
        orders.append(eve.buy("mug"))
        eve.wait_for(orders[-1])
    crashes = [line for line in shop.logged("the van broke down") if line["logger"] == "supervisor"]
    assert len(shop.logged("the van broke down")) > before and crashes
    assert all(eve.order(number)["status"] == "delivered" for number in orders)
    assert shop.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("sku", "quantity", "status", "message"),
    [
        ("unicorn", 1, 404, "no such product: unicorn"),
        ("tea", 0, 400, "quantity must be a whole number from 1"),
        ("tea", -1, 400, "quantity must be a whole number from 1"),
        ("tea", 1.5, 400, "quantity must be a whole number from 1"),
        (7, 1, 400, 'expected {"sku": "...", "quantity": n}'),
    ],
)
def test_what_cannot_be_bought_is_refused(shop: Serving, sku: Any, quantity: Any, status: int, message: str) -> None:
    mallory = Shopper(shop, "mallory")
    answer = mallory.add(sku, quantity)
    assert (answer.status, answer.json) == (status, {"error": message})
    assert mallory.cart() == []


def test_an_empty_cart_cannot_be_bought(shop: Serving) -> None:
    answer = Shopper(shop, "nobody").checkout()
    assert (answer.status, answer.json) == (409, {"error": "the cart is empty"})


def test_an_unknown_order_is_not_found(shop: Serving) -> None:
    for number in ("0", "x", "-1", "99999999999999999999", "%00"):
        answer = shop.ask("GET", f"/api/orders/{number}")
        assert (answer.status, answer.json) == (404, {"error": "no such order"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_shop_and_a_new_one_remembers_its_orders(tmp_path: Path, number: int) -> None:
    directory, port = copy_of(SHOP, tmp_path), free_port()
    words = ("-o", f"shop:gateway:addr=127.0.0.1:{port}", "-o", f"shop:db:file={tmp_path}/orders.db")
    with serving(directory, *words, port=port) as first:
        order = Shopper(first, "ada").buy("tea")
        assert first.stop(number) == 0
        assert not any("Traceback" in line for line in first.lines)
    with serving(directory, *words, port=port) as second:
        ada = Shopper(second, "ada")
        ada.wait_for(order)
        assert second.stop(number) == 0
    assert not (directory / "shop.db").exists()


def test_the_demo_says_what_to_try_and_ends_with_a_signal(tmp_path: Path) -> None:
    port = free_port()
    program = [sys.executable, str(SHOP.parent / "demo.py"), str(port), "-o", f"shop:db:file={tmp_path}/demo.db"]
    demo = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    try:
        while "Ctrl+C" not in (line := demo.stdout.readline()):
            assert line, demo.wait(20)
        assert ask(port, "POST", "/api/cart/ada", {"sku": "tea", "quantity": 2}).status == 200
        assert ask(port, "POST", "/api/cart/ada/checkout").json["total"] == 900
        demo.terminate()
        assert demo.wait(20) == 0
    finally:
        demo.kill()
        demo.stdout.close()
