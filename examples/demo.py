"""`make demo`: starts the shop, waits until it answers, and says what to try.

python examples/demo.py [PORT] [more words for `wippy run`]
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SHOP = Path(__file__).parent / "shop"
TRY = """
  The shop is open: {url}/health

  Try, in another terminal:

    curl -s {url}/api/catalogue
    curl -s -X POST {url}/api/cart/ada -d '{{"sku": "tea", "quantity": 2}}'
    curl -s -X POST {url}/api/cart/ada/checkout

  Ctrl+C closes it.
"""


def main(port: str = "8080", *words: str) -> int:
    address = f"127.0.0.1:{port}"
    program = [sys.executable, "-m", "wippy.cli.main", "run", "--console", "-o", f"shop:gateway:addr={address}"]
    shop = subprocess.Popen([*program, *words], cwd=SHOP)
    signal.signal(signal.SIGINT, lambda *_: None)  # the shop gets it too, and ends by itself
    signal.signal(signal.SIGTERM, lambda *_: shop.terminate())
    while shop.poll() is None:
        if open_at(f"http://{address}"):
            print(TRY.format(url=f"http://{address}"), flush=True)
            break
        time.sleep(0.05)
    return shop.wait()


def open_at(url: str) -> bool:
    """Whether the shop answers."""
    with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
        return json.load(answer) == {"status": "ok"}
    return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
