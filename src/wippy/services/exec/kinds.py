"""The kinds `exec.native` and `exec.docker` (spec 03 §14)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.exec.executor import Executor
from wippy.services.stream.descriptors import descriptors_of

if TYPE_CHECKING:
    from wippy.compute.node import Node

Amount = Annotated[int, msgspec.Meta(ge=0)]
CPU_PERIOD = 100_000  # microseconds: a quota of as many is one CPU


class NativeConfig(msgspec.Struct, frozen=True):
    default_work_dir: str = ""
    """Where programs run unless they say otherwise."""
    default_env: dict[str, str] = {}
    """Their environment; nothing else reaches them."""
    command_whitelist: list[str] = []
    """The only commands that may run; all when it is empty."""


class DockerConfig(msgspec.Struct, frozen=True):
    """0, false and empty leave the engine's own default."""

    image: str
    """The image of the containers."""
    host: str = ""
    """The engine's socket; DOCKER_HOST's or the usual one."""
    default_work_dir: str = ""
    """Where programs run in the container."""
    default_env: dict[str, str] = {}
    """Their environment."""
    command_whitelist: list[str] = []
    """The only commands that may run; all when it is empty."""
    network_mode: str = "bridge"
    """bridge, host or none."""
    volumes: list[str] = []
    """`host:container[:ro]` each."""
    user: str = ""
    """Who programs run as."""
    memory_limit: Amount = 0
    """Bytes."""
    cpu_quota: Amount = 0
    """Microseconds in each 100 ms."""
    pids_limit: Amount = 0
    """How many processes."""
    auto_remove: bool = False
    """Whether the engine removes ended containers itself."""
    read_only_rootfs: bool = False
    """Whether the image's files can be changed."""
    no_new_privileges: bool = False
    """Whether programs can gain privileges."""
    cap_drop: list[str] = []
    """Capabilities to take away."""
    cap_add: list[str] = []
    """Capabilities to give."""
    tmpfs: dict[str, str] = {}
    """Path -> options of file systems in memory."""

    def check(self) -> None:
        """Raises Error(Invalid)."""
        if not self.image:
            raise invalid('field "image": required field is empty')
        for volume in self.volumes:
            parts = volume.split(":")
            if len(parts) not in (2, 3) or not all(parts) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
                raise invalid(f'field "volumes": "{volume}" is not src:dst[:ro]')

    def container(self) -> dict[str, Any]:
        """What the engine is asked for, the command aside."""
        host: dict[str, Any] = {
            "NetworkMode": self.network_mode,
            "Binds": self.volumes,
            "Memory": self.memory_limit,
            "CpuQuota": self.cpu_quota,
            "CpuPeriod": CPU_PERIOD if self.cpu_quota else 0,
            "PidsLimit": self.pids_limit,
            "AutoRemove": self.auto_remove,
            "ReadonlyRootfs": self.read_only_rootfs,
            "SecurityOpt": ["no-new-privileges:true"] if self.no_new_privileges else [],
            "CapDrop": self.cap_drop,
            "CapAdd": self.cap_add,
            "Tmpfs": self.tmpfs,
        }
        return {"Image": self.image, "User": self.user, "HostConfig": {k: v for k, v in host.items() if v}}


class ExecutorHandler(KindHandler[Any]):
    """Shared by the kinds. Children that run go on as they were started."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def executor(self, config: Any) -> Executor:
        raise NotImplementedError

    async def add(self, entry: Entry, config: Any) -> None:
        self._node.resources[str(entry.id)] = self.executor(config)

    async def update(self, entry: Entry, config: Any, previous: Entry) -> None:
        self._node.resources[str(entry.id)] = self.executor(config)

    async def remove(self, entry: Entry) -> None:
        self._node.resources.pop(str(entry.id), None)


class NativeHandler(ExecutorHandler):
    """Runs programs of this machine."""

    kind = "exec.native"
    config = NativeConfig

    def executor(self, config: NativeConfig) -> Executor:
        from wippy.services.exec.native import NativeProgram

        descriptors = descriptors_of(self._node)
        return Executor(
            config.default_work_dir,
            config.default_env,
            config.command_whitelist,
            lambda command, owner: NativeProgram(command, descriptors, owner),
        )


class DockerHandler(ExecutorHandler):
    """Runs programs in containers of their own."""

    kind = "exec.docker"
    config = DockerConfig

    def executor(self, config: DockerConfig) -> Executor:
        from wippy.services.exec.docker import DockerProgram
        from wippy.services.exec.engine import DEFAULT_HOST, Engine

        config.check()
        descriptors = descriptors_of(self._node)
        engine = Engine(config.host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST)
        settings = config.container()
        return Executor(
            config.default_work_dir,
            config.default_env,
            config.command_whitelist,
            lambda command, owner: DockerProgram(engine, settings, command, descriptors, owner),
        )
