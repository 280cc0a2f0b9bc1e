"""What `add`, `install`, `update`, `remove` do to the lock file and the vendor directory of a project (spec 01 §18)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from wippy.core.errors import CONFLICT, Error, conflict, invalid, not_found
from wippy.core.semver import Constraint, is_version
from wippy.hub.client import HubClient
from wippy.hub.inspection import dependencies_of
from wippy.hub.installer import install
from wippy.hub.resolver import HUB, LOCAL, Release, Resolution, Source, Wish
from wippy.hub.sources import HubSource, resolve_project
from wippy.hub.vendor import prune
from wippy.project.config import Config
from wippy.project.framework import framework_pack
from wippy.project.linking import decode_dependency
from wippy.project.loader import load_project, module_path
from wippy.project.lockfile import Lock, LockedModule, read_lock
from wippy.project.problems import raise_errors
from wippy.project.shaping import disable, override
from wippy.project.wapp.reader import read_pack
from wippy.registry.entry import Entry

_SPEC = re.compile(r"([a-z][a-z0-9-]*/[a-z][a-z0-9-]*)(?:@(.+))?\Z")


class Change(msgspec.Struct, frozen=True):
    """What becomes of a module; an empty version: it was not there, or is not any more."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.name} {self.after}"
        return f"{self.name} {self.before} -> {self.after}" if self.after else f"- {self.name} {self.before}"


def parse_spec(text: str, by: str = "wippy add") -> Wish:
    """`org/mod`, `org/mod@^1.2`, `org/mod@label`. Raises Error(Invalid)."""
    match = _SPEC.match(text)
    if match is None:
        raise invalid(f'"{text}": expected org/module or org/module@version, in lower-case letters, digits and hyphens')
    return Wish(match[1], wanted_of(match[2] or ""), by)


def wanted_of(selector: str) -> str:
    """A selector as a wish: what is no constraint names a label."""
    try:
        Constraint(selector)
    except Error:
        return f"@{selector.removeprefix('@')}"
    return selector


class Workspace:
    """A project with the hub it uses. Raises Error(Invalid) for a broken lock file."""

    def __init__(self, lock_file: Path, config: Config, client: HubClient) -> None:
        self.lock = read_lock(lock_file) or Lock(lock_file)
        self.is_new = not lock_file.exists()
        self._config = config
        self._client = client
        self._hub: Source = HubSource(client)

    # Verbs ----------------------------------------

    async def add(self, specs: Sequence[str]) -> list[Change]:
        """Resolves modules together with what is there, and records them in the lock. Installs nothing."""
        changes = await self.plan(specs)
        self.lock.write()
        return changes

    async def plan(self, specs: Sequence[str]) -> list[Change]:
        """As `add`, in memory only."""
        wishes = [parse_spec(text) for text in specs]
        named = {wish.module for wish in wishes}
        declared = Declared.of(self.lock, self._config)
        kept = [Wish(module.name, "", "wippy.lock") for module in self.lock.modules if module.name not in named]
        preferred = {module.name: module.version for module in self.lock.modules if module.name not in named}
        found = await self._resolve([*declared.wishes, *kept, *wishes], declared, preferred)
        return self._take(found)

    async def install(self, only: Collection[str] = (), *, refresh: bool = False) -> list[LockedModule]:
        """Puts the modules of the lock in place, and their digests into the lock; returns those that were downloaded.

        Without a lock file: `update`. Raises Error(NotFound) for a name that the lock does not have.
        """
        self._check_known(only)
        done = await install(self.lock, self._client, only=only, refresh=refresh, replaced=self._replaced_names())
        if done.modules != self.lock.modules or self.is_new:
            self.lock.modules = done.modules
            self.lock.write()
        return done.fetched

    async def update(
        self, names: Sequence[str] = (), confirm: Callable[[list[Change]], bool] | None = None
    ) -> list[Change]:
        """Resolves anew what the project declares, installs it, prunes what is left over; returns what changed.

        names: only these may change; when others have to, `confirm` is asked. The lock is written at the end.
        """
        before = list(self.lock.modules)
        declared = Declared.of(self.lock, self._config)
        if names:
            found = await self._resolve_some(names, declared, confirm)
            if found is None:
                return []
        else:
            found = await self._resolve(declared.wishes, declared, {})
        changes = self._take(found)
        renewed = [change.name for change in changes if change.before and change.after]
        done = await install(self.lock, self._client, renewed=renewed, replaced=self._replaced_names())
        self.lock.modules = done.modules
        self.lock.write()
        prune(before, self.lock)
        return changes

    def remove(self, names: Sequence[str]) -> list[Change]:
        """Takes modules out of the lock, and what only they needed; prunes. Raises Error(NotFound), Error(Conflict)
        for a module that another one or an entry of the project needs."""
        self._check_known(names)
        before = {module.name: module.version for module in self.lock.modules}
        needs = {module.name: self._needs(module) for module in self.lock.modules}
        declared = {wish.module: wish.by for wish in Declared.of(self.lock, self._config).wishes}
        for name in names:
            by = [other for other, needed in needs.items() if name in needed and other not in names]
            by += [declared[name]] if name in declared else []
            if by:
                raise conflict(f"{name} is needed by {', '.join(by)}", module=name)
        gone = set(names)
        kept_roots = [name for name in before if name not in _reached(names, needs)]
        kept = _reached([*kept_roots, *(name for name in declared if name in before)], needs)
        gone |= _reached(names, needs) - kept
        old = list(self.lock.modules)
        self.lock.modules = [module for module in old if module.name not in gone]
        self.lock.write()
        prune(old, self.lock)
        return [Change(name, before[name], "") for name in sorted(gone & before.keys())]

    # Steps ----------------------------------------

    async def _resolve(self, wishes: Sequence[Wish], declared: Declared, preferred: Mapping[str, str]) -> Resolution:
        return await resolve_project(wishes, self._hub, declared.replaced, preferred)

    async def _resolve_some(
        self, names: Sequence[str], declared: Declared, confirm: Callable[[list[Change]], bool] | None
    ) -> Resolution | None:
        """With everything but `names` as it is; if that cannot be and nobody objects, with as little else changed."""
        known = {module.name for module in self.lock.modules} | {wish.module for wish in declared.wishes}
        for name in names:
            if name not in known:
                raise not_found(f"{name} is neither in {self.lock.path} nor declared by an entry")
        others = [m for m in self.lock.modules if m.name not in names]
        named = [Wish(name, "", "wippy update") for name in names]
        frozen = [Wish(m.name, f"={m.version}", "wippy.lock") for m in others if _can_be_frozen(m)]
        kept = [Wish(m.name, "", "wippy.lock") for m in others]
        try:
            return await self._resolve([*declared.wishes, *named, *kept, *frozen], declared, {})
        except Error as error:
            if error.kind != CONFLICT:
                raise
        preferred = {m.name: m.version for m in others}
        found = await self._resolve([*declared.wishes, *named, *kept], declared, preferred)
        changes = [change for change in self._changes(found) if change.name not in names and change.before]
        return found if not changes or confirm is None or confirm(changes) else None

    def _take(self, found: Resolution) -> list[Change]:
        """Makes the lock say what was found."""
        changes = self._changes(found)
        known = {(m.name, m.version): m for m in self.lock.modules}
        releases = [release for release in found.releases.values() if release.origin != LOCAL]
        self.lock.modules = [_locked(release, known.get((release.module, release.version))) for release in releases]
        self.lock.modules.sort(key=lambda module: module.name)
        return changes

    def _changes(self, found: Resolution) -> list[Change]:
        before = {module.name: module.version for module in self.lock.modules}
        after = {r.module: r.version for r in found.releases.values() if r.origin != LOCAL}
        names = sorted(before.keys() | after.keys())
        changes = [Change(name, before.get(name, ""), after.get(name, "")) for name in names]
        return [change for change in changes if change.before != change.after]

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if self.lock.module(name) is None:
                raise not_found(f"{name} is not in {self.lock.path}")

    def _replaced_names(self) -> set[str]:
        return {each.source for each in self.lock.replacements} | set(self._config.replacements())

    def _needs(self, module: LockedModule) -> set[str]:
        """What an installed module depends on; nothing when it is not installed."""
        path, pack = module_path(self.lock, module), framework_pack(module.name)
        if path is None:
            return {name for name, _ in pack.dependencies} if pack is not None else set()
        if path.is_dir():
            alone = Lock(self.lock.path, self.lock.directories, [module], [], self.lock.options)
            entries = [e for e in load_project(alone, Config()).entries if e.meta.get("module") == module.name]
        else:
            entries = read_pack(path).entries
        return {f"{each.org}/{each.name}" for each in dependencies_of(entries)}


class Declared(msgspec.Struct, frozen=True):
    """What the files of a project want: `wishes` of the application, and what each directory in a module's place
    depends on."""

    wishes: list[Wish]
    replaced: dict[str, list[tuple[str, str]]]

    @classmethod
    def of(cls, lock: Lock, config: Config) -> Declared:
        """Reads sources and replacements, with overrides and disables applied. Raises Error(Invalid)."""
        alone = Lock(lock.path, lock.directories, [], lock.replacements, lock.options)
        project = load_project(alone, config)
        raise_errors(project.problems)
        replaced: dict[str, list[tuple[str, str]]] = {each.source: [] for each in lock.replacements}
        replaced |= {name: [] for name in config.replacements()}
        wishes: list[Wish] = []
        for entry in _shaped(project.entries, config):
            if entry.kind != "ns.dependency":
                continue
            data, module = decode_dependency(entry).data, entry.meta.get("module")
            if module is None:
                wishes.append(Wish(data.component, data.version, str(entry.id)))
            elif module in replaced:
                replaced[module].append((data.component, data.version))
        return cls(wishes, replaced)


def _shaped(entries: Sequence[Entry], config: Config) -> list[Entry]:
    """Overrides of entries that only modules bring have nothing to change yet."""
    known = {str(entry.id) for entry in entries}
    values = {key: value for key, value in config.section("override").items() if ":".join(key.split(":")[:2]) in known}
    return disable(
        override(entries, values),
        config.texts("disable.namespaces"),
        config.texts("disable.entries"),
        config.section("disable.meta"),
    )


def _locked(release: Release, known: LockedModule | None) -> LockedModule:
    if release.origin != HUB:
        return LockedModule(release.module, release.version)
    digest = release.digest.removeprefix("sha256:").lower()
    if known is not None and (not digest or known.hash in ("", digest)):
        return known
    return LockedModule(release.module, release.version, digest)


def _can_be_frozen(module: LockedModule) -> bool:
    """A framework pack is what the program brings, and a version that is not semantic fits no constraint."""
    return is_version(module.version) and (bool(module.hash) or framework_pack(module.name) is None)


def _reached(names: Iterable[str], needs: Mapping[str, Collection[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return found
