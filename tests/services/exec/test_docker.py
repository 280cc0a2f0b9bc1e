"""The kind `exec.docker` against an engine that the test plays (spec 03 §14)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from apps.guest import App
from services.exec.fake_engine import FakeEngine, engine
from services.exec.programs import MODULES, PRELUDE, descriptors, until
from wippy import Error, Runtime
from wippy.services.exec.descriptor import Descriptor
from wippy.services.exec.docker import Demultiplexer
from wippy.services.exec.engine import parse_host
from wippy.services.exec.kinds import DockerConfig
from wippy.services.stream.descriptors import descriptors_of


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeEngine]:
    with engine(tmp_path) as running:
        yield running


def app(body: str, **config: Any) -> App:
    found = App().add("shell", "exec.docker", **{"image": "alpine:3", **config})
    source = f"{PRELUDE} return {{ main = function(...) {body} end }}"
    return found.add("f", "function.lua", source=source, method="main", modules=MODULES)


def run(fake: FakeEngine, body: str, *args: Any, **config: Any) -> Any:
    return app(body, host=fake.host, **config).call("f", *args)


FULL = {
    "default_work_dir": "/",
    "default_env": {"A": "1", "B": "1"},
    "command_whitelist": ["env B", "sh -c 'echo $A$B'"],
    "network_mode": "none",
    "volumes": ["/data:/data", "cache:/cache:ro"],
    "user": "1000:1000",
    "memory_limit": 268435456,
    "cpu_quota": 50000,
    "pids_limit": 64,
    "auto_remove": True,
    "read_only_rootfs": True,
    "no_new_privileges": True,
    "cap_drop": ["ALL"],
    "cap_add": ["NET_BIND_SERVICE"],
    "tmpfs": {"/tmp": "size=64m"},
}


def test_every_field_reaches_the_engine(fake: FakeEngine) -> None:
    body = """
    local p = ex:exec("sh -c 'echo $A$B'", { env = { B = "two" } })
    local out = p:stdout_stream()
    p:start()
    return { all(out), p:wait() }"""
    assert run(fake, body, **FULL) == ["1two\n", 0]
    assert fake.containers[0].spec == {
        "Image": "alpine:3",
        "Cmd": ["sh", "-c", "echo $A$B"],
        "WorkingDir": "/",
        "Env": ["A=1", "B=two"],
        "User": "1000:1000",
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "HostConfig": {
            "NetworkMode": "none",
            "Binds": ["/data:/data", "cache:/cache:ro"],
            "Memory": 268435456,
            "CpuQuota": 50000,
            "CpuPeriod": 100000,
            "PidsLimit": 64,
            "AutoRemove": True,
            "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges:true"],
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_BIND_SERVICE"],
            "Tmpfs": {"/tmp": "size=64m"},
        },
    }
    assert fake.requests == [
        ("POST", "/containers/create"),
        ("POST", "/containers/c0/attach?stream=1&stdin=1"),
        ("POST", "/containers/c0/attach?stream=1&stdout=1"),
        ("POST", "/containers/c0/attach?stream=1&stderr=1"),
        ("POST", "/containers/c0/wait?condition=next-exit"),
        ("POST", "/containers/c0/start"),
    ]


def test_what_is_not_given_is_left_to_the_engine(fake: FakeEngine) -> None:
    assert run(fake, 'local p = ex:exec("true") p:start() return p:wait()') == 0
    spec = fake.containers[0].spec
    assert (spec["HostConfig"], spec["User"], spec["Env"], spec["WorkingDir"]) == (
        {"NetworkMode": "bridge"},
        "",
        [],
        "",
    )


@pytest.mark.parametrize("upgrade", [True, False])
def test_output_errors_and_exit_code(fake: FakeEngine, upgrade: bool) -> None:
    fake.upgrade = upgrade
    body = """
    local p = ex:exec("sh -c 'echo out; echo err >&2; exit 42'")
    p:start()
    local out, err = p:stdout_stream(), p:stderr_stream()
    return { all(out), all(err), p:wait() }"""
    assert run(fake, body) == ["out\n", "err\n", 42]


def test_stdin(fake: FakeEngine) -> None:
    body = """
    local p = ex:exec("cat")
    p:start()
    local out = p:stdout_stream()
    p:write_stdin("hello ")
    local first = out:read(6)
    p:write_stdin("world")
    p:write_stdin("")
    return { first, all(out), p:wait() }"""
    assert run(fake, body) == ["hello ", "world", 0]


def test_signals_and_close(fake: FakeEngine) -> None:
    body = """
    local p = ex:exec("sh -c 'trap \\"exit 7\\" USR1; echo ready; while :; do sleep 0.01; done'")
    p:start()
    p:stdout_stream():read()
    p:signal(10)
    local code = p:wait()
    local q = ex:exec("sleep 60")
    q:start()
    return { code, q:close(), q:close(true) }"""
    assert run(fake, body) == [7, True, True]
    kills = [path for _, path in fake.requests if "kill" in path]
    assert kills[0] == "/containers/c0/kill?signal=SIGUSR1"
    assert kills[1] == "/containers/c1/kill?signal=SIGTERM"


def test_large_output_is_read_without_loss(fake: FakeEngine) -> None:
    body = """
    local p = ex:exec("head -c 3000000 /dev/zero")
    p:start()
    return { #all(p:stdout_stream()), p:wait() }"""
    assert run(fake, body) == [3_000_000, 0]


def test_wait_returns_although_nobody_reads(fake: FakeEngine) -> None:
    body = 'local p = ex:exec("head -c 3000000 /dev/zero") p:start() p:stdout_stream() return p:wait()'
    assert run(fake, body) == 0


@pytest.mark.parametrize(
    "use",
    [
        'local p = ex:exec("echo hi") p:start() all(p:stdout_stream()) p:wait()',
        'local p = ex:exec("sleep 60") p:start()',
        'local p = ex:exec("sleep 60") p:start() p:close(true)',
        "local p = ex:exec(\"sh -c 'trap : TERM; while :; do sleep 0.05; done'\") p:start() p:stdout_stream()",
    ],
)
def test_containers_end_with_their_call_and_leave_nothing(fake: FakeEngine, use: str) -> None:
    async def work(runtime: Runtime) -> None:
        before = descriptors()
        await runtime.call("app:f")
        await until(lambda: fake.containers[0].ended.is_set())
        handles, counted = runtime.node.bindings.handles, descriptors_of(runtime.node)
        await until(lambda: len(handles) == 0 and len(counted) == 0)
        await until(lambda: descriptors() <= before + 8)

    app(use, host=fake.host).use(work)


def test_a_start_that_fails_removes_the_container(fake: FakeEngine) -> None:
    fake.refuse["/start"] = (500, "no space left on device")
    body = """
    local p = ex:exec("true")
    local out = p:stdout_stream()
    local v, e = p:start()
    return { v == nil, e:kind(), tostring(e) }"""
    assert run(fake, body) == [True, "Internal", "container engine: no space left on device"]
    assert fake.containers[0].removed
    assert fake.requests[-1] == ("DELETE", "/containers/c0?force=1")


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "NotFound"), (400, "Invalid"), (409, "Internal"), (500, "Internal")]
)
def test_refusals_of_the_engine_are_errors(fake: FakeEngine, status: int, kind: str) -> None:
    fake.refuse["/create"] = (status, "No such image: alpine:3")
    body = 'local v, e = ex:exec("true"):start() return { v == nil, e:kind(), tostring(e) }'
    assert run(fake, body) == [True, kind, "container engine: No such image: alpine:3"]


def test_without_an_engine_starting_is_unavailable(tmp_path: Path) -> None:
    body = 'local v, e = ex:exec("true"):start() return { v == nil, e:kind(), e:retryable(), tostring(e) }'
    host = f"unix://{tmp_path}/none.sock"
    assert app(body, host=host).call("f") == [
        True, "Unavailable", True, f"container engine is not reachable at {host}: no such file or directory",
    ]  # fmt: skip


def test_the_engine_is_the_one_of_the_environment_when_none_is_named(fake: FakeEngine, monkeypatch: Any) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake.host)
    assert app('local p = ex:exec("true") p:start() return p:wait()').call("f") == 0


def test_the_loop_of_the_command_line(fake: FakeEngine) -> None:
    body = """
    local p = ex:exec("cat")
    p:start()
    p:write_stdin(("x"):rep(300000))
    p:write_stdin("")
    return { #all(p:stdout_stream()), p:wait() }"""
    entries = app(body, host=fake.host).entries

    async def session() -> Any:
        async with Runtime(entries=entries) as runtime:
            return await runtime.call("app:f")

    assert uvloop.run(session()) == [300_000, 0]


def test_an_engine_that_goes_away_is_an_error_of_wait(fake: FakeEngine) -> None:
    fake.refuse["/wait"] = (500, "going down")
    body = 'local v, e = ex:exec("true"):start() return { v == nil, e:kind(), tostring(e) }'
    assert run(fake, body) == [True, "Internal", "container engine: going down"]


def test_an_engine_that_is_lost_while_a_program_runs_ends_wait(fake: FakeEngine) -> None:
    fake.lose_waits = True
    body = """
    local p = ex:exec("sleep 5")
    assert(p:start())
    local v, e = p:wait()
    return { v == nil, e:kind(), tostring(e), p:close() }"""
    nothing, kind, text, closed = run(fake, body)
    assert (nothing, kind, closed) == (True, "Internal", True)
    assert text.startswith(("container engine: ", "the container engine gave no readable answer"))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"image": ""}, "image"),
        ({"volumes": ["/data"]}, "volumes"),
        ({"volumes": ["a:b:rx"]}, "volumes"),
        ({"memory_limit": -1}, "memory_limit"),
        ({"cpu_quota": "half"}, "cpu_quota"),
        ({"host": "ftp://x"}, "engine address"),
        ({"host": "tcp://x"}, "engine address"),
        ({"host": "/var/run/docker.sock"}, "engine address"),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(Error, match=problem):
        app("return 1", **config).call("f")


def test_an_image_is_required() -> None:
    with pytest.raises(Error, match="image"):
        App().add("shell", "exec.docker").function("f", "return 1").call("f")


def test_addresses_of_engines() -> None:
    assert parse_host("unix:///run/x.sock").target == "/run/x.sock"
    assert parse_host("tcp://10.0.0.1:2375").target == ("10.0.0.1", 2375)
    assert parse_host("http://[::1]:80").target == ("::1", 80)


def test_every_field_of_the_kind_is_mapped() -> None:
    mapped = {"image", "network_mode", "volumes", "user", "memory_limit", "cpu_quota", "pids_limit", "auto_remove",
              "read_only_rootfs", "no_new_privileges", "cap_drop", "cap_add", "tmpfs"}  # fmt: skip
    elsewhere = {"host", "default_work_dir", "default_env", "command_whitelist"}
    assert set(DockerConfig.__struct_fields__) == mapped | elsewhere
    assert set(FULL) | {"image", "host"} == mapped | elsewhere


def test_frames_are_taken_apart_wherever_they_are_cut() -> None:
    frames = b"".join(
        bytes([1, 0, 0, 0]) + len(piece).to_bytes(4, "big") + piece for piece in (b"", b"a", b"bc" * 500, b"", b"def")
    )
    for seed in range(20):
        rng = random.Random(seed)
        reading, writing = os.pipe()
        source = Descriptor(reading)
        cut = rng.randrange(len(frames))
        demultiplexer = Demultiplexer(frames[:cut])
        found, at = b"", cut
        while True:
            piece = demultiplexer.take(source, rng.choice([1, 3, 10_000]))
            if piece is None:
                if at == len(frames):
                    os.close(writing)
                    at += 1
                    continue
                step = rng.choice([1, 2, 7, 600])
                os.write(writing, frames[at : at + step])
                at = min(at + step, len(frames))
            elif not piece:
                break
            else:
                found += piece
        source.close()
        assert found == b"a" + b"bc" * 500 + b"def"
