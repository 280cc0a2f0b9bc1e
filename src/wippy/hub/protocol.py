"""What a hub is asked and what it answers (spec 01 §16.3): JSON over HTTP POST, fields in camelCase, at
`/<service>/<Method>`. A failure is `{"code", "message"}` with the HTTP status of the code.

Readers are lenient: unknown fields are ignored, numbers may be written as texts, as writers of 64-bit numbers do.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from wippy.core.errors import (
    ALREADY_EXISTS,
    CANCELED,
    CONFLICT,
    INTERNAL,
    INVALID,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
)

Q = TypeVar("Q", bound="Message")
A = TypeVar("A", bound="Message")

PAGE_SIZE = 100
API = "/api/v1"
UPLOAD, ORGS, MODULES = f"{API}/publish/upload", f"{API}/account/orgs", f"{API}/account/modules"
WAPP = f"{API}/wapp/"


class Message(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Anything on the wire."""


# What modules and versions are called ---------------------------------------------------------------------------------


class ModuleName(Message, frozen=True):
    org: str
    name: str

    def __str__(self) -> str:
        return f"{self.org}/{self.name}"


class ModuleRef(Message, frozen=True, omit_defaults=True):
    """One of the two."""

    id: str = ""
    name: ModuleName | None = None

    @classmethod
    def named(cls, full_name: str) -> ModuleRef:
        org, _, name = full_name.partition("/")
        return cls(name=ModuleName(org=org, name=name))

    def __str__(self) -> str:
        return str(self.name) if self.name else self.id


class VersionRef(Message, frozen=True, omit_defaults=True):
    """One of the three; none means the label `latest`."""

    id: str = ""
    version: str = ""
    label: str = ""

    def __str__(self) -> str:
        return self.version or self.id or f"@{self.label or 'latest'}"


# What they are --------------------------------------------------------------------------------------------------------


class ContractMethod(Message, frozen=True):
    name: str = ""
    description: str = ""


class Contract(Message, frozen=True):
    id: str = ""
    name: str = ""
    description: str = ""
    methods: list[ContractMethod] = []


class DayCount(Message, frozen=True):
    date: str = ""
    count: int = 0


class Module(Message, frozen=True):
    id: str = ""
    name: str = ""
    org: str = ""
    org_id: str = ""
    full_name: str = ""
    display_name: str = ""
    description: str = ""
    latest_version: str = ""
    total_downloads: int = 0
    favorites_count: int = 0
    create_time: str = ""
    update_time: str = ""
    visibility: str = ""
    deprecated: bool = False
    deprecation_message: str = ""
    type: str = ""
    keywords: list[str] = []
    license: str = ""
    repository: str = ""
    homepage: str = ""
    protected: bool = False
    contracts: list[Contract] = []
    download_stats: list[DayCount] = []


class Dependency(Message, frozen=True):
    org: str = ""
    name: str = ""
    version_constraint: str = ""


class Dependent(Message, frozen=True):
    org: str = ""
    name: str = ""
    version: str = ""
    constraint: str = ""


class RequirementTarget(Message, frozen=True):
    entry: str = ""
    path: str = ""


class Requirement(Message, frozen=True):
    name: str = ""
    description: str = ""
    default: Any = None
    targets: list[RequirementTarget] = []


class File(Message, frozen=True):
    path: str = ""
    size_bytes: int = 0


class VersionMetadata(Message, frozen=True):
    description: str = ""
    repository: str = ""
    license: str = ""
    keywords: list[str] = []
    authors: list[str] = []
    documentation: str = ""
    homepage: str = ""
    min_wippy_version: str = ""


class Version(Message, frozen=True):
    id: str = ""
    module_id: str = ""
    version: str = ""
    digest: str = ""
    size_bytes: int = 0
    yanked: bool = False
    published_by: str = ""
    create_time: str = ""
    download_count: int = 0
    protected: bool = False
    protection_type: str = ""
    lua_modules: list[str] = []
    entry_kinds: list[str] = []
    entry_count: int = 0
    dependencies: list[Dependency] | None = None
    """None when they have to be asked for."""
    requirements: list[Requirement] = []
    files: list[File] = []
    readme: str = ""
    release_notes: str = ""
    source: str = ""
    source_label: str = ""
    labels: list[str] = []
    metadata: VersionMetadata = VersionMetadata()


class Download(Message, frozen=True):
    url: str = ""
    expires_at: str = ""
    digest: str = ""
    size_bytes: int = 0


class ManifestDependency(Message, frozen=True):
    org: str = ""
    name: str = ""
    version: str = ""
    version_id: str = ""
    digest: str = ""
    size_bytes: int = 0
    download: Download | None = None
    protected: bool = False


class Manifest(Message, frozen=True):
    org: str = ""
    name: str = ""
    version_id: str = ""
    version: str = ""
    digest: str = ""
    size_bytes: int = 0
    protected: bool = False
    dependencies: list[ManifestDependency] = []
    download: Download | None = None


# Requests and answers -------------------------------------------------------------------------------------------------


class AboutModule(Message, frozen=True):
    module: ModuleRef


class AboutVersion(Message, frozen=True):
    module: ModuleRef
    version: VersionRef = VersionRef()


class ListModules(Message, frozen=True, omit_defaults=True):
    page: int = 1
    page_size: int = 20
    organization_id: str = ""
    org: str = ""
    visibility: str = ""
    type: str = ""
    sort_order: str = ""


class SearchModules(Message, frozen=True, omit_defaults=True):
    query: str
    page: int = 1
    page_size: int = 20
    organization_id: str = ""
    org: str = ""
    visibility: str = ""
    type: str = ""
    sort_order: str = ""
    keywords: list[str] = []
    license: str = ""
    include_deprecated: bool = False


class ListVersions(Message, frozen=True, omit_defaults=True):
    module: ModuleRef
    page: int = 1
    page_size: int = PAGE_SIZE
    include_yanked: bool = False


class ListFiles(Message, frozen=True, omit_defaults=True):
    module: ModuleRef
    version: VersionRef = VersionRef()
    page: int = 1
    page_size: int = PAGE_SIZE


class ListDependents(Message, frozen=True, omit_defaults=True):
    module: ModuleRef
    page: int = 1
    page_size: int = PAGE_SIZE


class Resolve(Message, frozen=True):
    dependencies: list[Dependency]


class Installed(Message, frozen=True):
    org: str
    name: str
    version: str


class CheckUpdates(Message, frozen=True):
    modules: list[Installed]


class BatchDownload(Message, frozen=True):
    items: list[AboutVersion]


class InitiatePublish(Message, frozen=True, omit_defaults=True):
    org: str
    module: str
    version: str
    digest: str
    size_bytes: int
    label: str = ""
    release_notes: str = ""
    protected: bool = False


class AboutPublish(Message, frozen=True):
    publish_id: str


class YankVersion(Message, frozen=True, omit_defaults=True):
    module: ModuleRef
    version: VersionRef
    yanked: bool = True


class NewModule(Message, frozen=True, omit_defaults=True):
    org: str
    name: str
    visibility: str = "private"
    type: str = ""
    display_name: str = ""
    description: str = ""


class OneModule(Message, frozen=True):
    module: Module


class OneVersion(Message, frozen=True):
    version: Version


class Modules(Message, frozen=True):
    modules: list[Module] = []
    total: int = 0
    page: int = 1
    page_size: int = 0


class Versions(Message, frozen=True):
    versions: list[Version] = []
    total: int = 0
    page: int = 1
    page_size: int = 0


class Files(Message, frozen=True):
    files: list[File] = []
    total: int = 0
    page: int = 1
    page_size: int = 0


class Dependencies(Message, frozen=True):
    dependencies: list[Dependency] = []


class Dependents(Message, frozen=True):
    dependents: list[Dependent] = []
    total: int = 0
    page: int = 1
    page_size: int = 0


class Readme(Message, frozen=True):
    content: str = ""
    filename: str = ""
    version: str = ""


class OneManifest(Message, frozen=True):
    manifest: Manifest


class Manifests(Message, frozen=True):
    """Dependencies first."""

    manifests: list[Manifest] = []


class Update(Message, frozen=True):
    org: str
    name: str
    current: str
    latest: str


class Updates(Message, frozen=True):
    updates: list[Update] = []


class OneDownload(Message, frozen=True):
    download: Download


class Downloads(Message, frozen=True):
    downloads: list[Download] = []


class PublishStatus(Message, frozen=True):
    """`status`: pending (nothing uploaded), uploaded, completed, failed, canceled."""

    publish_id: str = ""
    status: str = "pending"
    error: str = ""
    version_id: str = ""
    upload_url: str = ""


class Account(Message, frozen=True):
    """Whose token it is."""

    orgs: list[str] = []
    username: str = ""
    user_id: str = ""
    scope: str = ""
    expires_at: str = ""


class Failure(Message, frozen=True):
    code: str = ""
    message: str = ""


class Method(NamedTuple, Generic[Q, A]):
    """One operation: where it is, what goes there and what comes back."""

    service: str
    name: str
    request: type[Q]
    answer: type[A]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


_MODULE = "wippy.api.hub.module.v1.ModuleService"
_MANIFEST = "wippy.api.hub.manifest.v1.ManifestService"
_DOWNLOAD = "wippy.api.hub.download.v1.DownloadService"
_PUBLISH = "wippy.api.hub.publish.v1.PublishService"

GET_MODULE = Method(_MODULE, "GetModule", AboutModule, OneModule)
LIST_MODULES = Method(_MODULE, "ListModules", ListModules, Modules)
SEARCH_MODULES = Method(_MODULE, "SearchModules", SearchModules, Modules)
LIST_VERSIONS = Method(_MODULE, "ListVersions", ListVersions, Versions)
GET_VERSION = Method(_MODULE, "GetVersion", AboutVersion, OneVersion)
LIST_FILES = Method(_MODULE, "ListVersionFiles", ListFiles, Files)
GET_DEPENDENCIES = Method(_MODULE, "GetDependencies", AboutVersion, Dependencies)
GET_DEPENDENTS = Method(_MODULE, "GetDependents", ListDependents, Dependents)
GET_README = Method(_MODULE, "GetReadme", AboutVersion, Readme)
GET_MANIFEST = Method(_MANIFEST, "GetManifest", AboutVersion, OneManifest)
RESOLVE = Method(_MANIFEST, "ResolveDependencies", Resolve, Manifests)
CHECK_UPDATES = Method(_MANIFEST, "CheckUpdates", CheckUpdates, Updates)
GET_DOWNLOAD = Method(_DOWNLOAD, "GetDownloadURL", AboutVersion, OneDownload)
GET_DOWNLOADS = Method(_DOWNLOAD, "GetBatchDownloadURLs", BatchDownload, Downloads)
INITIATE_PUBLISH = Method(_PUBLISH, "InitiatePublish", InitiatePublish, PublishStatus)
CONFIRM_PUBLISH = Method(_PUBLISH, "ConfirmPublish", AboutPublish, PublishStatus)
PUBLISH_STATUS = Method(_PUBLISH, "GetPublishStatus", AboutPublish, PublishStatus)
CANCEL_PUBLISH = Method(_PUBLISH, "CancelPublish", AboutPublish, PublishStatus)
YANK_VERSION = Method(_PUBLISH, "YankVersion", YankVersion, OneVersion)


# Failures -------------------------------------------------------------------------------------------------------------


class Code(NamedTuple):
    status: int
    kind: str
    retryable: bool = False


CODES = {
    "invalid_argument": Code(400, INVALID),
    "not_found": Code(404, NOT_FOUND),
    "already_exists": Code(409, ALREADY_EXISTS),
    "permission_denied": Code(403, PERMISSION_DENIED),
    "unauthenticated": Code(401, PERMISSION_DENIED),
    "resource_exhausted": Code(429, RATE_LIMITED, True),
    "unavailable": Code(503, UNAVAILABLE, True),
    "deadline_exceeded": Code(504, TIMEOUT, True),
    "canceled": Code(499, CANCELED),
    "failed_precondition": Code(412, CONFLICT),
    "aborted": Code(409, CONFLICT),
    "internal": Code(500, INTERNAL),
}
_BY_STATUS = {400: "invalid_argument", 408: "deadline_exceeded", 413: "invalid_argument", 502: "unavailable"}
_BY_STATUS |= {code.status: name for name, code in reversed(CODES.items())}
_BY_KIND = {code.kind: name for name, code in reversed(CODES.items())}


def failure_of(error: Error) -> tuple[int, Failure]:
    """The HTTP status and the body that tell a caller of `error`."""
    name = _BY_KIND.get(error.kind, "internal")
    return CODES[name].status, Failure(code=name, message=error.message)


def error_of(status: int, body: bytes) -> Error:
    """The error that an answer of a hub means; its `code` is among the details."""
    try:
        failure = msgspec.json.decode(body, type=Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        failure = Failure()
    name = failure.code.lower() or _BY_STATUS.get(status, "unavailable" if status >= 500 else "internal")
    code = CODES.get(name, CODES["internal"])
    message = failure.message[:2000] or f"the hub answered with status {status}"
    return Error(code.kind, message, code.retryable, {"code": name})
