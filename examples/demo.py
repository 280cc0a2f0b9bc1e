"""`make demo`: starts the shop, waits until it answers, and says what to try."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SHOP = Path(__file__).parent / "shop"
URL = "http://127.0.0.1:8080"
TRY = f"""
  The shop is open: {URL}/health

  Try, in another terminal:

    curl -s {URL}/api/catalogue
    curl -s -X POST {URL}/api/cart/ada -d '{{"sku": "tea", "quantity": 2}}'
    curl -s -X POST {URL}/api/cart/ada/checkout

  Ctrl+C closes it.
"""


def main() -> int:
    wippy = Path(sys.executable).with_name("wippy")
    shop = subprocess.Popen([str(wippy), "run", "--console"], cwd=SHOP)
    signal.signal(signal.SIGINT, lambda *_: None)  # the shop gets it too, and ends by itself
    signal.signal(signal.SIGTERM, lambda *_: shop.terminate())
    while shop.poll() is None:
        try:
            urllib.request.urlopen(f"{URL}/health", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            continue
        print(TRY, flush=True)
        return shop.wait()
    return shop.returncode


if __name__ == "__main__":
    sys.exit(main())
