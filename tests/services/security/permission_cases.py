"""For every permission that a guest function asks: a program that asks it, and what a denial looks like."""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[str, str]


class Case(NamedTuple):
    """`code` is run as a function `try(target, case)`; it gives value and error, as the function under test does.

    What it needs on the way it takes with `must(value, error)`.

    `asks`: (function, action); `resource`: the exact resource, in which `{target}` stands for the PID of a process;
    `message`: the text of the denial, None when what is denied is left out. `needs`: other permissions of the program.
    `then`: the kind of error it gives when it is allowed. `counted`: it makes the counter of its name grow by one.
    `probe`: a Lua expression that tells, without any identity, whether it had an effect.
    """

    function: str
    action: str
    resource: str
    message: str | None
    code: str
    needs: tuple[Pair, ...] = ()
    kind: str = "PermissionDenied"
    raises: bool = False
    then: str | None = None
    counted: bool = False
    probe: str = ""

    @property
    def name(self) -> str:
        return f"{self.function} {self.action}"


SPAWN = ("process.spawn", "app:child")
HOST = ("process.host", "app:host")
CONTEXT = ("process.context", "context")
SECURITY = ("process.security", "security")
ACTOR = ("security.actor.create", "ada")
SCOPE = ("security.scope.create", "custom")
OPEN = ("store.get", "app:kv")


def _spawns() -> list[Case]:
    monitored = ("process.spawn.monitored", "app:child", "not allowed to spawn monitored process: app:child")
    linked = ("process.spawn.linked", "app:child", "not allowed to spawn linked process: app:child")
    plain = ("process.spawn", "app:child", "not allowed to spawn process: app:child")
    host = ("process.host", "app:host", "not allowed to spawn on host: app:host")
    variants = {
        "spawn": (plain, host),
        "spawn_monitored": (plain, monitored),
        "spawn_linked": (plain, linked),
        "spawn_linked_monitored": (plain, monitored, linked),
    }
    cases = []
    for variant, asked in variants.items():
        call = f"{variant}('app:child', 'app:host', case)"
        for one in asked:
            needs = tuple(other[:2] for other in asked if other is not one)
            cases.append(Case(f"process.{variant}", *one, f"return process.{call}", needs, counted=True))
            if one is not host:
                code = f"return process.with_context({{}}):{call}"
                others = (*(pair for pair in needs if pair != HOST), CONTEXT)
                cases.append(Case(f"process.Spawner.{variant}", *one, code, others, raises=True, counted=True))
    return cases


def _controls() -> list[Case]:
    def control(verb: str, arguments: str = "target", **more: bool) -> Case:
        message = f"not allowed to {verb}: {{target}}"
        code = f"return process.{verb}({arguments})"
        return Case(f"process.{verb}", f"process.{verb}", "{target}", message, code, **more)  # type: ignore[arg-type]

    return [
        control("send", "target, 'note', case", counted=True),
        control("cancel", "target, case", counted=True),
        control("monitor"),
        control("unmonitor"),
        control("link"),
        control("unlink"),
    ]


def _names() -> list[Case]:
    cases = []
    scopes = {"": 0, ".eventual": 1, ".consistent": 2, ".strong": 3}
    for suffix, scope in scopes.items():
        cases.append(
            Case(
                "process.registry.register",
                f"process.registry.register{suffix}",
                "the name",
                "not allowed to register: the name",
                f"return process.registry.register('the name', target, {scope})",
                (("process.registry.foreign", "{target}"),),
                then="Internal" if scope else None,
                probe="process.registry.lookup('the name') ~= nil" if not scope else "",
            )
        )
    for suffix, scope in scopes.items():
        cases.append(
            Case(
                "process.registry.unregister",
                f"process.registry.unregister{suffix}",
                "the name",
                "not allowed to unregister: the name",
                f"return process.registry.unregister('the name', {scope})",
                probe="process.registry.lookup('the name') == nil" if not scope else "",
            )
        )
    foreign = Case(
        "process.registry.register",
        "process.registry.foreign",
        "{target}",
        "not allowed to register foreign process: {target}",
        "return process.registry.register('other', target)",
        (("process.registry.register", "other"),),
        probe="process.registry.lookup('other') ~= nil",
    )
    return [*cases, foreign]


def _builders() -> list[Case]:
    context = ("process.context", "context", "not allowed: process.context")
    security = ("process.security", "security", "not allowed: process.security")
    network = ("network.select", "app:net", "not allowed to select network: app:net")
    select = "({ network = 'app:net' })"
    actor, scope = "security.new_actor('ada')", "security.new_scope()"

    def raised(function: str, asked: tuple[str, str, str], code: str, *needs: Pair) -> Case:
        return Case(f"process.{function}", *asked, f"return {code}", needs, raises=True)

    calls = ("funcs.call", "app:callee", "not allowed: app:callee")
    awaited = "if f then f:channel():receive() end return f, e"
    calling_as = ("funcs.security", "security", "not allowed: funcs.security")
    return [
        raised("with_context", context, "process.with_context({})"),
        raised("with_options", context, "process.with_options({})"),
        raised("with_options", network, f"process.with_options{select}", CONTEXT),
        raised("Spawner.with_context", context, "process.with_context({}):with_context({})"),
        raised(
            "Spawner.with_context",
            security,
            f"process.with_context({{}}):with_scope({scope}):with_context({{}})",
            CONTEXT,
            SCOPE,
        ),
        raised("Spawner.with_options", context, "process.with_context({}):with_options({})"),
        raised("Spawner.with_options", network, f"process.with_context({{}}):with_options{select}", CONTEXT),
        raised("Spawner.with_actor", security, f"process.with_context({{}}):with_actor({actor})", CONTEXT, ACTOR),
        raised("Spawner.with_scope", security, f"process.with_context({{}}):with_scope({scope})", CONTEXT, SCOPE),
        Case(
            "process.Spawner.with_name",
            "process.registry.register",
            "the name",
            "not allowed to register: the name",
            "return process.with_context({}):with_name('the name')",
            (CONTEXT,),
            raises=True,
        ),
        Case("funcs.call", *calls, "return funcs.call('app:callee', case)", counted=True),
        Case("funcs.async", *calls, f"local f, e = funcs.async('app:callee', case) {awaited}", counted=True),
        Case("funcs.Executor.call", *calls, "return funcs.new():call('app:callee', case)", counted=True),
        Case(
            "funcs.Executor.async",
            *calls,
            f"local f, e = funcs.new():async('app:callee', case) {awaited}",
            counted=True,
        ),
        Case(
            "funcs.Executor.with_context",
            "funcs.context",
            "context",
            "not allowed: funcs.context",
            "return funcs.new():with_context({})",
        ),
        Case("funcs.Executor.with_actor", *calling_as, f"return funcs.new():with_actor({actor})", (ACTOR,)),
        Case("funcs.Executor.with_scope", *calling_as, f"return funcs.new():with_scope({scope})", (SCOPE,)),
        Case("funcs.Executor.with_options", *network, f"return funcs.new():with_options{select}"),
    ]


def _registry() -> list[Case]:
    get = ("registry.get", "app:marked", "not allowed to access entry: app:marked")
    hidden = ("registry.get", "app:marked", None)
    first = "{ ['.name'] = 'marked' }"
    snapshot = "local s = registry.snapshot() "
    return [
        Case("registry.get", *get, "return registry.get('app:marked')"),
        Case("registry.Snapshot.get", *get, f"{snapshot} return s:get('app:marked')"),
        Case("registry.find", *hidden, f"return registry.find({first})[1]"),
        Case("registry.Snapshot.find", *hidden, f"{snapshot} return s:find({first})[1]"),
        Case(
            "registry.Snapshot.entries",
            *hidden,
            f"{snapshot} for _, e in ipairs(s:entries()) do if e.id == 'app:marked' then return e end end",
        ),
        Case(
            "registry.Snapshot.namespace",
            *hidden,
            f"{snapshot} for _, e in ipairs(s:namespace('app')) do if e.id == 'app:marked' then return e end end",
        ),
        Case(
            "registry.Changes.apply",
            "registry.apply",
            "",
            "not allowed to apply registry changes",
            "local made = { id = 'app:made', kind = 'registry.entry', data = {} } "
            "return registry.snapshot():changes():create(made):apply()",
            probe="registry.get('app:made') ~= nil",
        ),
        Case(
            "registry.apply_version",
            "registry.apply_version",
            "",
            "not allowed to apply registry version",
            "return registry.apply_version(registry.current_version())",
        ),
    ]


def _storage() -> list[Case]:
    def keyed(method: str, action: str, verb: str, arguments: str, *, raises: bool, probe: str = "") -> Case:
        message = f"not allowed to {verb} key: :k"
        code = f"return store.get('app:kv'):{method}({arguments})"
        needs = (OPEN,)
        return Case(f"store.Store.{method}", action, "app:kv", message, code, needs, raises=raises, probe=probe)

    return [
        Case("env.get", "env.get", "MARK", "not allowed: env.get on MARK", "return env.get('MARK')"),
        Case("env.get_all", "env.get", "MARK", None, "return env.get_all().MARK"),
        Case(
            "env.set",
            "env.set",
            "MARK",
            "not allowed: env.set on MARK",
            "return env.set('MARK', 'changed')",
            probe="env.get('MARK') == 'changed'",
        ),
        Case(
            "fs.get", "fs.get", "app:files", "not allowed to access filesystem: app:files", "return fs.get('app:files')"
        ),
        Case(
            "loader.new",
            "fs.get",
            "app:files",
            "not allowed to access filesystem: app:files",
            "return loader.new('app:files')",
        ),
        Case("sql.get", "db.get", "app:db", "not allowed to access database: app:db", "return sql.get('app:db')"),
        Case(
            "store.get",
            "store.get",
            "app:kv",
            "not allowed to access store: app:kv",
            "return store.get('app:kv')",
            raises=True,
        ),
        Case(
            "store.Store.info",
            "store.info",
            "app:kv",
            "not allowed to access store info: app:kv",
            "return store.get('app:kv'):info()",
            (OPEN,),
        ),
        keyed("get", "store.key.get", "read", "'k'", raises=True),
        keyed("entry", "store.key.get", "read", "'k'", raises=False),
        keyed("has", "store.key.has", "check", "'k'", raises=True),
        keyed("set", "store.key.set", "write", "'k', 2", raises=True, probe="store.get('app:kv'):get('k') == 2"),
        keyed("put", "store.key.set", "write", "'k', 3", raises=False, probe="store.get('app:kv'):get('k') == 3"),
        Case(
            "store.Store.list",
            "store.key.list",
            "app:kv",
            "not allowed to list keys: k",
            "return store.get('app:kv'):list({ prefix = 'k' })",
            (OPEN,),
        ),
        keyed("delete", "store.key.delete", "delete", "'k'", raises=True, probe="not store.get('app:kv'):has('k')"),
    ]


def _security() -> list[Case]:
    create = "security.scope.create"
    get = ("security.policy.get", "app:one")
    return [
        Case(
            "security.new_actor",
            *ACTOR,
            "not allowed to create actor: ada",
            "return security.new_actor('ada')",
            raises=True,
        ),
        Case(
            "security.new_scope",
            *SCOPE,
            "not allowed to create scope: custom",
            "return security.new_scope()",
            raises=True,
        ),
        Case(
            "security.Scope.with",
            create,
            "with",
            "not allowed to create scope: with",
            "return security.new_scope():with(security.policy('app:one'))",
            (SCOPE, get),
            raises=True,
        ),
        Case(
            "security.Scope.without",
            create,
            "without",
            "not allowed to create scope: without",
            "return security.new_scope():without('app:one')",
            (SCOPE,),
            raises=True,
        ),
        Case(
            "security.policy",
            *get,
            "not allowed to access policy: app:one",
            "return security.policy('app:one')",
            kind="Invalid",
        ),
        Case(
            "security.named_scope",
            "security.policy_group.get",
            "app:all",
            "not allowed to access group: app:all",
            "return security.named_scope('app:all')",
            kind="Invalid",
        ),
    ]


def _events() -> list[Case]:
    return [
        Case(
            "events.send",
            "events.send",
            "cases",
            "not allowed to send events to system: cases",
            "return events.send('cases', 'made', case)",
            kind="Invalid",
            counted=True,
        ),
        Case(
            "events.subscribe",
            "events.subscribe",
            "cases",
            "not allowed to subscribe to events from system: cases",
            "return events.subscribe('cases')",
            kind="Invalid",
        ),
    ]


def _processes() -> list[Case]:
    run = "return process.exec('app:child', 'app:host', case)"
    asked = (
        (("process.exec", "app:child"), HOST, "not allowed to exec process: app:child"),
        (HOST, ("process.exec", "app:child"), "not allowed to spawn on host: app:host"),
    )
    built = "return process.with_context({}):exec('app:child', 'app:host', case)"
    return [
        *(
            Case("process.Spawner.exec", *one, message, built, (other, CONTEXT), raises=True, counted=True)
            for one, other, message in asked
        ),
        Case(
            "process.exec",
            "process.exec",
            "app:child",
            "not allowed to exec process: app:child",
            run,
            (HOST,),
            counted=True,
        ),
        Case(
            "process.exec",
            *HOST,
            "not allowed to spawn on host: app:host",
            run,
            (("process.exec", "app:child"),),
            counted=True,
        ),
    ]


def _contracts() -> list[Case]:
    get = ("contract.get", "app:contract", "not allowed to get contract: app:contract")
    opened = ("contract.open", "app:binding", "not allowed to open binding: app:binding")
    listed = (
        "contract.implementations",
        "app:contract",
        "not allowed to list implementations of contract: app:contract",
    )
    call = ("contract.call", "run", "not allowed to call method: run")
    context = ("contract.context", "context", "not allowed: contract.context")
    security = ("contract.security", "security", "not allowed: contract.security")
    network = ("network.select", "app:net", "not allowed to select network: app:net")
    through = "must(contract.get('app:contract'))"
    instance = "must(contract.open('app:binding'))"
    find = get[:2]
    return [
        Case("contract.get", *get, "return contract.get('app:contract')"),
        Case("contract.open", *opened, "return contract.open('app:binding?a=1', { b = 2 })"),
        Case(
            "contract.open",
            *network,
            "return contract.open('app:binding', nil, { network = 'app:net' })",
            (opened[:2],),
        ),
        Case("contract.find_implementations", *listed, "return contract.find_implementations('app:contract')"),
        Case("contract.Contract.implementations", *listed, f"return {through}:implementations()", (find,)),
        Case("contract.Contract.open", *opened, f"return {through}:open()", (find,)),
        Case("contract.Contract.with_context", *context, f"return {through}:with_context({{}})", (find,)),
        Case(
            "contract.Contract.with_actor",
            *security,
            f"return {through}:with_actor(security.new_actor('ada'))",
            (find, ACTOR),
        ),
        Case(
            "contract.Contract.with_scope",
            *security,
            f"return {through}:with_scope(security.new_scope())",
            (find, SCOPE),
        ),
        Case(
            "contract.Contract.with_options",
            *network,
            f"return {through}:with_options({{ network = 'app:net' }})",
            (find,),
        ),
        Case(
            "contract.Instance.method",
            *call,
            f"return {instance}:run(case)",
            (opened[:2],),
            counted=True,
        ),
        Case(
            "contract.Instance.method_async",
            *call,
            f"local f, e = {instance}:run_async(case) if f then f:channel():receive() end return f, e",
            (opened[:2],),
            counted=True,
        ),
    ]


def _groups() -> list[Case]:
    opening = ("pg.open", "app:groups")

    def method(name: str, what: str, arguments: str = "'cases'", **more: bool) -> Case:
        code = f"return must(pg.open('app:groups')):{name}({arguments})"
        if name in ("monitor", "events"):
            code = f"local s, _, e = must(pg.open('app:groups')):{name}({arguments}) return s, e"
        message = f"not allowed to {what}"
        resource = "cases" if arguments else ""
        return Case(f"pg.Instance.{name}", f"pg.{name}", resource, message, code, (opening,), **more)  # type: ignore[arg-type]

    return [
        Case("pg.open", *opening, "not allowed to open process groups: app:groups", "return pg.open('app:groups')"),
        method("join", "join group: cases"),
        Case(
            "pg.Instance.leave",
            "pg.leave",
            "cases",
            "not allowed to leave group: cases",
            "local g = must(pg.open('app:groups')) g:join('cases') return g:leave('cases')",
            (opening, ("pg.join", "cases")),
        ),
        method("get_members", "list members of group: cases"),
        method("get_local_members", "list local members of group: cases"),
        method("which_groups", "list groups", ""),
        method("which_local_groups", "list local groups", ""),
        method("broadcast", "broadcast to group: cases", "'cases', 'note', case", counted=True),
        method("broadcast_local", "broadcast to local members of group: cases", "'cases', 'note', case", counted=True),
        method("monitor", "monitor group: cases"),
        method("events", "watch groups", ""),
    ]


def _programs() -> list[Case]:
    found = ("exec.get", "app:shell")
    return [
        Case(
            "exec.get",
            *found,
            "not allowed to access executor: app:shell",
            "return exec.get('app:shell')",
            kind="Invalid",
        ),
        Case(
            "exec.Executor.exec",
            "exec.run",
            "true 1",
            "not allowed to run command: true 1",
            "local ex, e = exec.get('app:shell') if not ex then return nil, e end return ex:exec('true 1')",
            (found,),
            kind="Invalid",
        ),
    ]


def _evaluation() -> list[Case]:
    asked = {
        "eval.module": ("json", "modules = { 'json' }"),
        "eval.import": ("app:lib", "imports = { lib = 'app:lib' }"),
        "eval.class": ("network", "allow_classes = { 'network' }"),
    }
    calls = {
        "run": "return eval_runner.run({{ source = 'return 1', {} }})",
        "compile": "return eval_runner.compile('return 1', '', {{ {} }})",
    }
    cases = []
    for verb, call in calls.items():
        own = f"eval.{verb}"
        function = f"eval_runner.{verb}"
        cases.append(Case(function, own, "", f"permission denied: {own}", call.format("")))
        for action, (resource, option) in asked.items():
            denial = f"permission denied: {action} {resource}"
            cases.append(Case(function, action, resource, denial, call.format(option), ((own, ""),)))
    return cases


def _system() -> list[Case]:
    def read(function: str, resource: str, arguments: str = "", then: str | None = None) -> Case:
        message = f"permission denied: system.read on {resource}"
        code = f"return system.{function}({arguments})"
        return Case(f"system.{function}", "system.read", resource, message, code, kind="Invalid", then=then)

    def changing(function: str, action: str, resource: str, arguments: str = "", probe: str = "") -> Case:
        message = f"permission denied: {action} on {resource}"
        code = f"return system.{function}({arguments})"
        return Case(f"system.{function}", action, resource, message, code, kind="Invalid", probe=probe)

    def lock(function: str, code: str, probe: str) -> Case:
        denial = "permission denied: system.lock on the lock"
        return Case(f"system.lock.{function}", "system.lock", "the lock", denial, code, probe=probe)

    without_raft = [f"raft.{name}" for name in ("is_leader", "is_member", "role", "term", "commit_index")]
    return [
        *(read(f"memory.{name}", "memory") for name in ("stats", "allocated", "heap_objects")),
        read("memory.get_limit", "memory_limit"),
        read("gc.get_percent", "gc_percent"),
        read("runtime.goroutines", "goroutines"),
        read("runtime.cpu_count", "cpu"),
        read("runtime.max_procs", "gomaxprocs"),
        *(read(f"process.{name}", name) for name in ("pid", "hostname", "cwd")),
        read("modules", "modules"),
        read("hosts.list", "hosts"),
        read("hosts.exceeded", "hosts"),
        read("hosts.processes", "hosts", "'app:host'"),
        read("supervisor.state", "supervisor", "'app:host'"),
        read("supervisor.states", "supervisor"),
        read("node.id", "node"),
        read("node.role", "node"),
        read("node.addr", "node", then="Internal"),
        *(read(f"cluster.{name}", "cluster") for name in ("members", "leader", "size")),
        *(read(name, "raft", then="Internal") for name in without_raft),
        read("raft.stats", "raft_stats", then="Internal"),
        changing("memory.set_limit", "system.control", "memory_limit", "2^29", "system.memory.get_limit() == 2^29"),
        changing("runtime.max_procs", "system.control", "gomaxprocs", "77", "system.runtime.max_procs() == 77"),
        changing("gc.collect", "system.gc", "gc"),
        changing("gc.set_percent", "system.gc", "gc_percent", "90", "system.gc.get_percent() == 90"),
        Case(
            "system.exit", "system.exit", "", "permission denied: system.exit", "return system.exit(9)", kind="Invalid"
        ),
        lock("acquire", "return system.lock.acquire('the lock')", ""),
        lock("release", "local _, e = system.lock.release('the lock') return e == nil or nil, e", ""),
    ]


def _hub() -> list[Case]:
    nowhere = "{ registry = 'http://127.0.0.1:9' }"

    def asked(function: str, resource: str, arguments: str, action: str = "") -> Case:
        action = f"hub.{action or function}"
        code = f"return hub.{function}({arguments}{', ' if arguments else ''}{nowhere})"
        return Case(f"hub.{function}", action, resource, f"not allowed: {action}", code, then="Unavailable")

    def known(function: str, arguments: str = "", then: str | None = None) -> Case:
        code = f"return hub.auth.{function}({arguments}'http://127.0.0.1:9')"
        action = f"hub.auth.{function}"
        return Case(action, action, "", f"not allowed: {action}", code, then=then)

    of, at = "'acme/http'", "'acme/http', '1.0.0'"
    return [
        asked("modules.list", "", ""),
        asked("modules.search", "words", "'words'"),
        asked("modules.get", "acme/http", of),
        asked("modules.readme", "acme/http", of),
        asked("versions.list", "acme/http", of),
        asked("versions.get", "acme/http", at),
        asked("versions.inspect", "acme/http", at),
        asked("versions.open", "acme/http", at, "versions.inspect"),
        asked("dependencies.get", "acme/http", at),
        asked("dependents.get", "acme/http", of),
        asked("files.list", "acme/http", at),
        known("authenticate", f"'wpy_{'x' * 40}', ", "Unavailable"),
        known("status"),
        known("logout"),
    ]


CASES = [
    *_spawns(),
    *_processes(),
    *_controls(),
    *_names(),
    *_builders(),
    *_events(),
    *_registry(),
    *_storage(),
    *_security(),
    *_contracts(),
    *_groups(),
    *_programs(),
    *_evaluation(),
    *_hub(),
    *_system(),
    Case(
        "process.terminate",
        "process.terminate",
        "{target}",
        "not allowed to terminate: {target}",
        "return process.terminate(target)",
        probe="process.send(target, 'note', 'nothing') == nil",
    ),
]
"""In the order they run: names are registered before they are freed, and the target is ended last."""
