"""The way of a module, as `docs/packages.md` tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from apps.program import LIMIT, WIPPY, free_port
from examples.pages import blocks
from examples.test_documents import ROOT, written

PAGE = ROOT / "docs" / "packages.md"


def test_what_the_page_says_about_the_hub_works(tmp_path: Path) -> None:
    directory, port = written(PAGE, tmp_path), str(free_port())
    here = {"HOME": str(tmp_path / "home"), "PATH": f"{Path(WIPPY).parent}:{os.environ['PATH']}"}
    environment = {**os.environ, **here}
    serving, publishing, using = (block.replace("8765", port) for block in blocks(PAGE, "sh"))
    made, served = serving.strip().splitlines()

    def shell(script: str, where: Path) -> str:
        done = subprocess.run(
            ["bash", "-ec", script], cwd=where, env=environment, capture_output=True, text=True, timeout=LIMIT
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shell(made, directory)
    hub = subprocess.Popen(["bash", "-c", f"exec {served}"], cwd=directory, env=environment, stdout=subprocess.PIPE)
    try:
        assert hub.stdout is not None and hub.stdout.readline().startswith(b"Hub in ")
        assert "Published acme/hello 1.0.0" in shell(publishing, directory)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        used = shell(using, elsewhere)
        assert "acme/hello  1.0.0" in used and "hello ada\n" in used
        assert "acme/hello" in (elsewhere / "wippy.lock").read_text()
    finally:
        hub.terminate()
        assert hub.wait(LIMIT) == 0
