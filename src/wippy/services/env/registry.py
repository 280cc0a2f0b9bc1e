"""The environment of an application: registered variables over storages (spec 04a §7, spec 01 §6)."""

from __future__ import annotations

import logging

import msgspec

from wippy.core.errors import PERMISSION_DENIED, Error, already_exists, not_found
from wippy.core.ids import EntryId
from wippy.services.env.storage import Storage

log = logging.getLogger("wippy.env")


class Variable(msgspec.Struct, frozen=True):
    """A registered variable. Without a public name it is reachable by its entry id only."""

    id: EntryId
    storage: EntryId
    name: str = ""
    default: str = ""
    readonly: bool = False

    @property
    def key(self) -> str:
        """What the storage knows it by."""
        return self.name or str(self.id)


class EnvRegistry:
    """Variables and storages by entry id. Only registered variables can be read and set."""

    def __init__(self) -> None:
        self._storages: dict[EntryId, Storage] = {}
        self._variables: dict[EntryId, Variable] = {}
        self._by_name: dict[str, dict[EntryId, Variable]] = {}

    def lookup(self, name: str, namespace: str) -> str | None:
        """The value of a variable: by public name, by entry id, or by bare name in `namespace`. None when there is no
        such variable, or neither a value nor a default; an empty text counts as no value."""
        variable = self.find(name, namespace)
        if variable is None:
            return None
        try:
            return self.value(variable)
        except Error as e:
            log.warning("environment variable cannot be read", extra={"fields": {"name": name, "error": e.message}})
            return None

    def find(self, name: str, namespace: str) -> Variable | None:
        named = self._by_name.get(name)
        if named:
            return next(iter(named.values()))
        return self._variables.get(EntryId.parse(name, namespace))

    def value(self, variable: Variable) -> str | None:
        """Its stored text, else its default, else None. Raises Error when the storage cannot be read."""
        stored = self._storage(variable).get(variable.key)
        return stored or variable.default or None

    def set(self, variable: Variable, value: str) -> None:
        """Raises Error(PermissionDenied) for a read-only variable or storage."""
        if variable.readonly:
            raise Error(PERMISSION_DENIED, f"variable is read-only: {variable.key}")
        self._storage(variable).set(variable.key, value)

    def all(self) -> dict[str, str]:
        """The contents of all storages, by storage key. A storage that cannot be read is left out."""
        merged: dict[str, str] = {}
        for entry_id, storage in self._storages.items():
            try:
                merged.update(storage.all())
            except Error as e:
                log.warning(
                    "storage cannot be listed", extra={"fields": {"storage": str(entry_id), "error": e.message}}
                )
        return merged

    def storage(self, entry_id: EntryId) -> Storage:
        """Raises Error(NotFound)."""
        found = self._storages.get(entry_id)
        if found is None:
            raise not_found(f"environment storage not found: {entry_id}")
        return found

    def _storage(self, variable: Variable) -> Storage:
        return self.storage(variable.storage)

    # What the kind handlers change

    def add_storage(self, entry_id: EntryId, storage: Storage) -> None:
        self._storages[entry_id] = storage

    def remove_storage(self, entry_id: EntryId) -> None:
        self._storages.pop(entry_id, None)

    def add_variable(self, variable: Variable) -> None:
        """Adds or replaces. Of several with one public name the first counts, until `check_names` refuses them."""
        self.remove_variable(variable.id)
        self._variables[variable.id] = variable
        if variable.name:
            self._by_name.setdefault(variable.name, {})[variable.id] = variable

    def check_names(self) -> None:
        """Raises Error(AlreadyExists) when several variables have one public name."""
        for name, variables in self._by_name.items():
            if len(variables) > 1:
                first, second, *_ = variables
                raise already_exists(f"environment variable {name} of {second} is already registered by {first}")

    def remove_variable(self, entry_id: EntryId) -> None:
        variable = self._variables.pop(entry_id, None)
        if variable is not None and variable.name:
            named = self._by_name[variable.name]
            del named[entry_id]
            if not named:
                del self._by_name[variable.name]
