"""A hub that lies, and packs that attack: a clear error, and nothing is half-installed (spec 01 §16, §11)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.program import Run, runner, write
from hub.served import pack
from project.wapp.packs import Forge, stored
from wippy import Runtime
from wippy.core.errors import Error
from wippy.hub.client import Patience
from wippy.project.wapp import limits
from wippy.project.wapp.encoding import compressed
from wippy.registry.changes import Create
from wippy.registry.entry import entry

LOCK = "directories: {modules: .wippy, src: ./src}\nmodules: [{name: acme/good, version: 1.0.0}, %s]\n"
BAD = "{name: acme/http, version: 1.0.0}"


class Hostile:
    """Offers one good module, and whatever the test says as another."""

    def __init__(self) -> None:
        self.good = b""
        self.bad = b""
        self.digest = ""
        self.announced: int | None = None
        self.cut: int | None = None
        self.version = "1.0.0"
        self.dependencies: list[dict[str, str]] = []
        self.url = ""

    def answer(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("module", {}).get("name", {}).get("name", "")
        data = self.good if name == "good" else self.bad
        digest = hashlib.sha256(data).hexdigest() if name == "good" or not self.digest else self.digest
        size = len(data) if name == "good" or self.announced is None else self.announced
        if path.endswith("GetDownloadURL"):
            return {"download": {"url": f"/{name}", "digest": digest, "sizeBytes": size}}
        return {
            "versions": [
                {"version": self.version, "digest": digest, "sizeBytes": size, "dependencies": self.dependencies}
            ],
            "total": 1,
        }

    def content(self, path: str) -> tuple[bytes, int]:
        data = self.good if path == "/good" else self.bad
        return (data if self.cut is None or path == "/good" else data[: self.cut]), len(data)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    hub = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._send(json.dumps(hub.answer(self.path, json.loads(body))).encode(), None)

        def do_GET(self) -> None:
            self._send(*hub.content(self.path))

        def _send(self, data: bytes, length: int | None) -> None:
            with contextlib.suppress(ConnectionError):  # a client may have seen enough
                self.send_response(200)
                self.send_header("content-length", str(len(data) if length is None else length))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    hub.good = pack(tmp_path / "made", "acme/good").read_bytes()
    hub.bad = pack(tmp_path / "made", "acme/http").read_bytes()
    monkeypatch.setenv("WIPPY_REGISTRY", hub.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Patience, "pause", lambda *_: 0.0)
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write(tmp_path / "app", **{"wippy.lock": LOCK % BAD, "src/_index.yaml": "namespace: app\nentries: []\n"})
    return tmp_path / "app"


@pytest.fixture
def run(app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(app, monkeypatch, capsys)


def files_below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def forged(tmp_path: Path, forge: Forge) -> bytes:
    definition = {"ID": {"ns": "acme.http", "name": "d"}, "Kind": "ns.definition", "Meta": {}, "Data": {}}
    forge.metadata = {"name": "http", "namespace": "acme.http", "version": "1.0.0"}
    forge.entries = [definition]
    return forge.write(tmp_path / "forged.wapp").read_bytes()


def traversal(tmp_path: Path) -> bytes:
    forge = Forge().files({"../../../../evil.txt": stored(b"x")}, name="static")
    forge.data = [b"x"]
    return forged(tmp_path, forge)


def bomb(tmp_path: Path) -> bytes:
    small = compressed(bytes(64 * limits.MIB))
    file = stored(small, Size=1024, CompressedSize=len(small), Compressed=True)
    forge = Forge().files({"a.txt": file}, name="static")
    forge.data = [small]
    return forged(tmp_path, forge)


def too_large(tmp_path: Path) -> bytes:
    forge = Forge().files({"a.txt": stored(b"x", Size=1 << 40)}, name="static")
    forge.data = [b"x"]
    return forged(tmp_path, forge)


Change = Callable[[Hostile, Path], None]


def _set(**fields: Any) -> Change:
    def change(hub: Hostile, tmp_path: Path) -> None:
        for name, value in fields.items():
            setattr(hub, name, value(tmp_path) if callable(value) else value)

    return change


ATTACKS = [
    pytest.param(_set(cut=300), "went away in the middle of its answer", id="dies in the middle"),
    pytest.param(_set(digest="0" * 64), "checksum mismatch: expected 0000", id="wrong checksum"),
    pytest.param(_set(announced=10), "more than the 10 bytes it announced", id="larger than announced"),
    pytest.param(_set(announced=1 << 40), "is too large", id="absurdly large"),
    pytest.param(_set(digest="x"), "names no digest", id="no digest"),
    pytest.param(_set(bad=b"<html>not a pack</html>"), "acme/http 1.0.0: not a pack", id="no pack"),
    pytest.param(_set(bad=traversal), "path traversal", id="traversal"),
    pytest.param(_set(bad=bomb), "not of the declared size", id="bomb"),
    pytest.param(_set(bad=too_large), "bytes, more than", id="a file that is too large"),
    pytest.param(_set(bad=lambda tmp: pack(tmp / "o", "acme/other").read_bytes()), "says it is acme/other 1.0.0",
                 id="another module"),
    pytest.param(_set(bad=lambda tmp: pack(tmp / "o", version="1.0.1").read_bytes()), "says it is acme/http 1.0.1",
                 id="another version"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "reason"), ATTACKS)
def test_nothing_is_installed_and_the_lock_is_as_it_was(
    hostile: Hostile, app: Path, run: Run, tmp_path: Path, attack: Change, reason: str
) -> None:
    attack(hostile, tmp_path)
    code, _, err = run("install")
    assert reason in err, err
    assert code == 1 and "Traceback" not in err
    assert files_below(app / ".wippy") == [] and (app / "wippy.lock").read_text() == LOCK % BAD
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize(("attack", "reason"), ATTACKS)
def test_a_running_application_is_as_it_was(
    hostile: Hostile, app: Path, tmp_path: Path, attack: Change, reason: str
) -> None:
    attack(hostile, tmp_path)
    (app / "wippy.lock").write_text("directories: {modules: .wippy, src: ./src}\n")

    async def work() -> Error:
        async with Runtime(app) as runtime:
            registry = runtime.node.registry
            with pytest.raises(Error) as caught:
                await registry.apply([Create(entry("app:dep", "ns.dependency", {"component": "acme/http"}))])
            assert len(registry.state) == 0 and registry.version.id == 0
            return caught.value

    error = asyncio.run(work())
    assert error.kind == "Conflict" and "dependency resolution failed" in error.message
    assert files_below(app / ".wippy/vendor") == []


def test_a_full_disk(hostile: Hostile, app: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wippy.hub.client._write_all", full)
    code, _, err = run("install")
    assert code == 1 and "No space left on device" in err
    assert files_below(app / ".wippy") == [] and (app / "wippy.lock").read_text() == LOCK % BAD


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "../../../evil"},
        {"dependencies": [{"org": "..", "name": "evil", "versionConstraint": "*"}]},
        {"dependencies": [{"org": "acme", "name": "../../evil", "versionConstraint": "*"}]},
        {"dependencies": [{"org": "acme", "name": "http", "versionConstraint": "not a constraint"}]},
    ],
)
def test_names_that_would_leave_the_vendor_directory_are_refused(
    hostile: Hostile, app: Path, run: Run, tmp_path: Path, fields: dict[str, Any]
) -> None:
    _set(**fields)(hostile, tmp_path)
    lock = "directories: {modules: .wippy, src: ./src}\n"
    index = "namespace: app\nentries: [{name: d, kind: ns.dependency, component: acme/http}]\n"
    write(app, **{"wippy.lock": lock, "src/_index.yaml": index})
    code, _, err = run("update")
    assert code == 1 and err.startswith("Error: ") and "Traceback" not in err
    assert files_below(app / ".wippy") == [] and (app / "wippy.lock").read_text() == lock
    assert not list(tmp_path.rglob("*evil*"))


def test_after_the_hub_is_well_again_everything_is_installed(hostile: Hostile, app: Path, run: Run) -> None:
    hostile.cut = 100
    assert run("install").code == 1
    hostile.cut = None
    code, out, _ = run("install")
    assert code == 0 and "2 modules installed" in out
    assert [name for name in files_below(app / ".wippy") if name.endswith(".wapp")] == [
        "vendor/acme/good-1.0.0.wapp",
        "vendor/acme/http-1.0.0.wapp",
    ]
