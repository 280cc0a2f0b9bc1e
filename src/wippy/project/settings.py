"""Every key of `.wippy.yaml` that has a meaning, declared once: type, default, what it does (spec 01 §5.4).

`Config.get(setting)` reads one; the schema for editors and the reference page are made from this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from wippy.core.config import Duration, duration
from wippy.registry.registry import INTERNAL_KINDS

T = TypeVar("T", covariant=True)

Shape = Literal["flag", "integer", "number", "text", "texts", "duration"]


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One dotted key. `choices`: the texts that mean something; empty when any does. `used`: False for a key that is
    accepted for the sake of existing files and has no effect here."""

    key: str
    shape: Shape
    default: T
    summary: str
    choices: tuple[str, ...] = ()
    used: bool = True


SETTINGS: dict[str, Setting[Any]] = {}
"""All of them, by key, in the order of the sections below."""


def _declared(setting: Setting[T]) -> Setting[T]:
    SETTINGS[setting.key] = setting
    return setting


def _flag(key: str, default: bool, summary: str, *, used: bool = True) -> Setting[bool]:
    return _declared(Setting(key, "flag", default, summary, used=used))


def _integer(key: str, default: int, summary: str, *, used: bool = True) -> Setting[int]:
    return _declared(Setting(key, "integer", default, summary, used=used))


def _number(key: str, default: float, summary: str, *, used: bool = True) -> Setting[float]:
    return _declared(Setting(key, "number", default, summary, used=used))


def _text(key: str, default: str, summary: str, *, choices: Sequence[str] = (), used: bool = True) -> Setting[str]:
    return _declared(Setting(key, "text", default, summary, tuple(choices), used))


def _texts(key: str, default: Sequence[str], summary: str, *, used: bool = True) -> Setting[list[str]]:
    return _declared(Setting(key, "texts", list(default), summary, used=used))


def _duration(key: str, default: str, summary: str, *, used: bool = True) -> Setting[Duration]:
    return _declared(Setting(key, "duration", duration(default), summary, used=used))


# Logs ----------------------------------------

LOG_ENCODING = _text(
    "logger.encoding",
    "",
    "How log lines are written; by default as lines on a terminal, as JSON elsewhere.",
    choices=("console", "json"),
)
_text("logger.mode", "", "Accepted.", used=False)
_text("logger.level", "", "Accepted.", used=False)
LOG_LEVEL = _integer("logmanager.min_level", 0, "The least level that is logged: -1 debug, 0 info, 1 warn, 2 error.")
PROPAGATE_DOWNSTREAM = _flag("logmanager.propagate_downstream", True, "Whether log lines are written at all.")
STREAM_TO_EVENTS = _flag("logmanager.stream_to_events", False, "Log lines are events of the bus too; `-e` sets it.")
PROFILER_ENABLED = _flag("profiler.enabled", False, "Serves a profiler; `-p` sets it.")
PROFILER_ADDRESS = _text("profiler.address", "localhost:6060", "Where the profiler listens.")
_duration("profiler.read_timeout", "15s", "Longest time to read a request of the profiler.", used=False)
_duration("profiler.write_timeout", "15s", "Longest time to write a response of the profiler.", used=False)
_duration("profiler.idle_timeout", "60s", "Longest pause between two requests of the profiler.", used=False)

# Security and registry ----------------------------------------

STRICT_MODE = _flag("security.strict_mode", False, "Whoever has no actor or no scope is denied everything.")
ENABLE_HISTORY = _flag("registry.enable_history", True, "Whether versions are kept, so that changes can be undone.")
HISTORY_TYPE = _text(
    "registry.history_type", "memory", "Where versions are kept.", choices=("memory", "sqlite", "postgres", "nil")
)
HISTORY_PATH = _text("registry.history_path", ".wippy/registry.db", "The file of a SQLite history.")
HISTORY_DSN = _text("registry.history_dsn", "", "The connection URI of a PostgreSQL history.")
HISTORY_SCHEMA = _text("registry.history_schema", "wippy_registry", "The schema of a PostgreSQL history.")
EVENT_WAIT_TIMEOUT = _duration("registry.event_wait_timeout", "30s", "How long one change of an entry may take.")
DEPENDENCY_RESOLVE_TIMEOUT = _duration(
    "registry.dependency_resolve_timeout", "0s", "How long resolving a dependency at run time may take; 0s: no limit."
)
DEPENDENCY_DOWNLOAD_TIMEOUT = _duration(
    "registry.dependency_download_timeout", "0s", "How long one download at run time may take; 0s: no limit."
)
DEPENDENCY_LOCK_PATH = _text("registry.dependency_lock_path", "", "The lock file of dependencies; the project's.")
DEPENDENCY_VENDOR_DIR = _text("registry.dependency_vendor_dir", "", "Where modules are installed; as the lock says.")
DISPATCH_INTERNAL_KINDS = _texts(
    "registry.dispatch_internal_kinds",
    INTERNAL_KINDS,
    "Kinds that are stored without a handler and without events.",
)

# Running ----------------------------------------

NODE_NAME = _text("relay.node_name", "", "The node's name, which PIDs begin with; WIPPY_NODE_ID comes first.")
_integer("supervisor.host.buffer_size", 1024, "Accepted.", used=False)
_integer("supervisor.host.worker_count", 16, "Accepted.", used=False)
_integer("functions.host.buffer_size", 1024, "Accepted.", used=False)
_integer("functions.host.worker_count", 16, "Accepted.", used=False)
SHUTDOWN_TIMEOUT = _duration("shutdown.timeout", "30s", "How long everything together may take to stop.")
REGISTRY_URL = _text("modules.registry_url", "https://hub.wippy.ai", "The hub that modules come from.")

# Lua ----------------------------------------

CACHE_ENABLED = _flag("lua.cache.enabled", True, "Whether compiled code is kept on disk.")
CACHE_DIR = _text("lua.cache.dir", ".wippy/cache/lua", "Where; relative to the first configuration file.")
CACHE_MODE = _text("lua.cache.mode", "readwrite", "How it is used.", choices=("readwrite", "readonly", "off"))
CACHE_COMPILE = _flag("lua.cache.compile.enabled", True, "Whether compiled chunks are part of it.")
_flag("lua.cache.typecheck.enabled", True, "Whether results of the linter are part of it.", used=False)
EVAL_CACHE_SIZE = _integer("lua.eval.cache_size", 256, "How many evaluated programs are kept compiled.")
EVAL_CACHE_TTL = _duration("lua.eval.cache_ttl", "0s", "How long; 0s: until there are too many.")
_flag("lua.type_system.enabled", False, "Whether entries are type-checked when they are loaded.", used=False)
_flag("lua.type_system.strict", False, "Whether a type error rejects an entry.", used=False)
_integer("lua.proto_cache_size", 60000, "Accepted.", used=False)
_integer("lua.main_cache_size", 10000, "Accepted.", used=False)
_duration("lua.invalidation_wait_timeout", "30s", "Accepted.", used=False)
_flag("lua.expr.cache_enabled", True, "Accepted.", used=False)
_integer("lua.expr.capacity", 5000, "Accepted.", used=False)
_flag("lua.json.cache_enabled", True, "Accepted.", used=False)
_integer("lua.json.capacity", 1000, "Accepted.", used=False)
_integer("finder.query_cache_size", 1000, "Accepted.", used=False)
_integer("finder.regex_cache_size", 100, "Accepted.", used=False)

# Sections of parts to come: known to editors, without effect yet ----------------------------------------

_flag("otel.enabled", False, "Whether traces are sent.", used=False)
_text("otel.endpoint", "localhost:4318", "The collector that traces are sent to.", used=False)
_text("otel.protocol", "http/protobuf", "How.", choices=("http/protobuf", "grpc"), used=False)
_text("otel.service_name", "wippy-runtime", "The service's name in traces.", used=False)
_text("otel.service_version", "", "The service's version in traces.", used=False)
_flag("otel.insecure", True, "Whether traces are sent without TLS.", used=False)
_number("otel.sample_rate", 1.0, "The part of traces that is kept.", used=False)
_texts("otel.propagators", ("tracecontext", "baggage"), "What headers carry traces on.", used=False)
_flag("otel.traces_enabled", True, "Whether spans are made.", used=False)
_flag("otel.metrics_enabled", False, "Whether metrics are sent.", used=False)
_flag("otel.http.enabled", True, "Whether HTTP requests are traced.", used=False)
_flag("otel.http.extract_headers", True, "Whether the trace of a request is taken over.", used=False)
_flag("otel.http.inject_headers", True, "Whether requests hand their trace on.", used=False)
_flag("otel.process.enabled", True, "Whether processes are traced.", used=False)
_flag("otel.process.trace_lifecycle", True, "Whether their start and end are traced.", used=False)
_flag("otel.interceptor.enabled", True, "Whether calls of functions are traced.", used=False)
_integer("otel.interceptor.order", 100, "Accepted.", used=False)
_flag("otel.queue.enabled", True, "Whether messages of queues are traced.", used=False)
_flag("otel.temporal.enabled", False, "Whether workflows are traced.", used=False)
METRICS_BUFFER_SIZE = _integer("metrics.buffer.size", 10000, "How many records may wait to be written down.")
_flag("metrics.interceptor.enabled", False, "Whether calls of functions are counted.", used=False)
PROMETHEUS_ENABLED = _flag("prometheus.enabled", False, "Whether metrics are served.")
PROMETHEUS_ADDRESS = _text("prometheus.address", "", "Where metrics are served; nowhere when it is empty.")
LSP_ENABLED = _flag("lsp.enabled", False, "Whether the language server listens.")
LSP_ADDRESS = _text("lsp.address", ":7777", "Where it listens; without a host on this machine only.")
LSP_HTTP_ENABLED = _flag("lsp.http_enabled", False, "Whether it answers over HTTP as well.")
LSP_HTTP_ADDRESS = _text("lsp.http_address", ":7778", "Where it answers over HTTP; as `lsp.address`.")
LSP_HTTP_PATH = _text("lsp.http_path", "/lsp", "At which path.")
LSP_HTTP_ALLOW_ORIGIN = _text("lsp.http_allow_origin", "*", "Which origins may ask, with commas between them.")
LSP_MAX_MESSAGE_BYTES = _integer("lsp.max_message_bytes", 8388608, "The longest message it reads.")
_text("network_service.state_dir", ".wippy/net", "Where networks keep their state.", used=False)
_text("network_service.default_network", "", "The network of who selects none.", used=False)
_duration("dispatcher.http.timeout", "0s", "How long a request of the HTTP client may take; 0s: no limit.", used=False)
_integer("dispatcher.http.max_idle_conns", 0, "How many idle connections are kept.", used=False)
_integer("dispatcher.http.max_idle_per_host", 0, "How many of them to one host.", used=False)
_duration("dispatcher.http.idle_conn_timeout", "0s", "How long.", used=False)
_integer("dispatcher.http.max_clients", 0, "Accepted.", used=False)
_flag("extensions.enabled", True, "Accepted: extensions are Python packages.", used=False)
_texts("extensions.paths", (), "Accepted.", used=False)
_flag("scheduler.wasm_isolation.enabled", False, "Accepted.", used=False)
_integer("scheduler.wasm_isolation.reserved_cores", 1, "Accepted.", used=False)
_flag("cluster.enabled", False, "Whether this node is part of a cluster.", used=False)
_text("cluster.name", "", "The node's name in the cluster; the host's.", used=False)
_text("cluster.failure_domain", "", "Where the node stands.", used=False)
_text("cluster.membership.bind_addr", "0.0.0.0", "Accepted.", used=False)
_integer("cluster.membership.bind_port", 7946, "Accepted.", used=False)
_text("cluster.membership.advertise_addr", "", "Accepted.", used=False)
_text("cluster.membership.join_addrs", "", "Nodes to join, with commas between them.", used=False)
_text("cluster.membership.secret_key", "", "The key of the membership, in base64.", used=False)
_text("cluster.membership.secret_file", "", "The file it is in.", used=False)
_duration("cluster.membership.gossip_interval", "500ms", "Accepted.", used=False)
_duration("cluster.membership.push_pull_interval", "5s", "Accepted.", used=False)
_duration("cluster.membership.dead_node_reclaim_time", "30s", "Accepted.", used=False)
_duration("cluster.membership.probe_interval", "1s", "Accepted.", used=False)
_duration("cluster.membership.probe_timeout", "200ms", "Accepted.", used=False)
_duration("cluster.membership.tcp_timeout", "1s", "Accepted.", used=False)
_integer("cluster.membership.suspicion_mult", 3, "Accepted.", used=False)
_text("cluster.internode.bind_addr", "0.0.0.0", "Accepted.", used=False)
_integer("cluster.internode.bind_port", 0, "Accepted.", used=False)
_flag("cluster.internode.auto_port", True, "Accepted.", used=False)
_text("cluster.internode.advertise_addr", "", "Accepted.", used=False)
_integer("cluster.internode.advertise_port", 0, "Accepted.", used=False)
_text("cluster.raft.data_dir", "~/.wippy/store", "Accepted.", used=False)
_flag("cluster.raft.enabled", True, "Accepted.", used=False)
_text("cluster.raft.role", "server", "Accepted.", choices=("server", "client"), used=False)
_flag("cluster.raft.eligible", True, "Accepted.", used=False)
_integer("cluster.raft.priority", 100, "Accepted.", used=False)
_integer("cluster.raft.bootstrap_expect", 1, "Accepted.", used=False)
_integer("cluster.raft.max_voters", 5, "Accepted.", used=False)
_integer("cluster.raft.max_standbys", 4, "Accepted.", used=False)
_duration("cluster.raft.reconcile_debounce", "2s", "Accepted.", used=False)
_duration("cluster.raft.reconcile_timeout", "2s", "Accepted.", used=False)
_duration("cluster.raft.heartbeat_timeout", "3s", "Accepted.", used=False)
_duration("cluster.raft.election_timeout", "3s", "Accepted.", used=False)
_duration("cluster.raft.commit_timeout", "500ms", "Accepted.", used=False)
_integer("cluster.raft.snapshot_threshold", 8192, "Accepted.", used=False)
_duration("cluster.raft.snapshot_interval", "2m", "Accepted.", used=False)
_integer("cluster.raft.snapshot_retain", 3, "Accepted.", used=False)
_integer("cluster.raft.trailing_logs", 10240, "Accepted.", used=False)
_integer("cluster.raft.max_append_entries", 16, "Accepted.", used=False)
_duration("cluster.raft.leader_probe_interval", "3s", "Accepted.", used=False)
_integer("cluster.raft.leader_probe_grace", 3, "Accepted.", used=False)
_text("cluster.raft.registry_backend", "kv", "Accepted.", choices=("kv", "fsm"), used=False)
