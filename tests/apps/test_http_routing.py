"""Which handler a request reaches (spec 05 §2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.guest import App
from apps.web import Site, served
from wippy import Error


def named(name: str) -> str:
    return f"res:write_json({{ route = {name!r}, params = req:params(), path = req:path(), method = req:method() }})"


ROUTES = (
    "GET /",
    "GET /users/{id}",
    "GET /users/me",
    "PUT /users/{id}",
    "DELETE /users/{id}",
    "GET /colon/:name/end",
    "GET /files/{rest...}",
    "GET /tree/",
    "GET /tree/special",
    "GET /exact/{$}",
    "POST /only",
    "HEAD /head",
    "OPTIONS /own",
    "GET /own",
    "GET /a/{x}",
    "POST /a/{y}",
    "GET /über",
    "PATCH /all",
    "TRACE /all",
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    app = App()
    for route in ROUTES:
        if route not in ("GET /", "OPTIONS /own"):
            app.endpoint(route, named(route))
    app.endpoint("GET /{$}", named("GET /"))
    app.endpoint("OPTIONS /own", "res:set_status(299) res:write('mine')")
    app.add("api", "http.router", {"server": "web"}, prefix="/api/")
    app.function("in_api", "http.response():write('api')", modules=["http"])
    app.add("in_api.get", "http.endpoint", {"router": "api"}, method="GET", path="/x", func="in_api")
    app.add("missing.get", "http.endpoint", {"router": "api"}, method="GET", path="/missing", func="nothing")
    with served(app) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/", "GET /", {}),
        ("/users/7", "GET /users/{id}", {"id": "7"}),
        ("/users/me", "GET /users/me", {}),
        ("/users/a%26b%20c", "GET /users/{id}", {"id": "a&b c"}),
        ("/users/%2541", "GET /users/{id}", {"id": "%41"}),
        ("/users/%6De", "GET /users/me", {}),
        ("/colon/x/end", "GET /colon/:name/end", {"name": "x"}),
        ("/files/", "GET /files/{rest...}", {}),
        ("/files/a/b/c", "GET /files/{rest...}", {}),
        ("/tree/", "GET /tree/", {}),
        ("/tree/deep/down", "GET /tree/", {}),
        ("/tree/special", "GET /tree/special", {}),
        ("/exact/", "GET /exact/{$}", {}),
        ("/a/1", "GET /a/{x}", {"x": "1"}),
        ("/%C3%BCber", "GET /über", {}),
    ],
)
def test_the_most_specific_pattern_wins(site: Site, path: str, route: str, params: dict[str, str]) -> None:
    answer = site.get(path)
    assert answer.status == 200
    assert answer.json["route"] == route and (answer.json["params"] or {}) == params


def test_parameters_have_the_name_of_their_own_route(site: Site) -> None:
    assert site.ask("POST", "/a/1").json["params"] == {"y": "1"}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_methods_of_one_path(site: Site, method: str) -> None:
    assert site.ask(method, "/users/7").json["method"] == method


@pytest.mark.parametrize("path", ["/nothing", "/users", "/users/1/2", "/exact/more", "/api", "/colon//end/x"])
def test_an_unknown_path_is_404(site: Site, path: str) -> None:
    answer = site.get(path)
    if answer.status != 307:
        assert (answer.status, answer.text) == (404, "404 page not found\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/users/7", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/only", "OPTIONS, POST"),
        ("DELETE", "/tree/x", "GET, HEAD, OPTIONS"),
        ("GET", "/head", "HEAD, OPTIONS"),
    ],
)
def test_a_known_path_with_another_method_is_405(site: Site, method: str, path: str, allow: str) -> None:
    answer = site.ask(method, path)
    assert (answer.status, answer.text, answer.headers["allow"]) == (405, "Method Not Allowed\n", allow)


@pytest.mark.parametrize("path", ["/users/7", "/only", "/tree/x", "/api/x"])
def test_options_is_answered_for_every_path(site: Site, path: str) -> None:
    answer = site.ask("OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")


def test_an_options_endpoint_of_ones_own_wins(site: Site) -> None:
    answer = site.ask("OPTIONS", "/own")
    assert (answer.status, answer.text) == (299, "mine")


def test_head_is_served_by_get_without_a_body(site: Site) -> None:
    answer = site.ask("HEAD", "/users/7")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/json"
    raw = site.raw("HEAD /users/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/users//7", "/users/7"),
        ("/a/../users/7", "/users/7"),
        ("/users/./7?x=1&y", "/users/7?x=1&y"),
        ("/tree", "/tree/"),
        ("/tree?q=1", "/tree/?q=1"),
        ("/files", "/files/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/users//a%0d%0aX-Evil:%201", "/users/a%0D%0AX-Evil:%201"),
        ("/users//%C3%BC%25?%0d%0a", "/users/%C3%BC%25?%0d%0a"),
        ("//evil.example/x", "/evil.example/x"),
    ],
)
def test_unclean_paths_and_missing_slashes_redirect(site: Site, path: str, location: str) -> None:
    answer = site.get(path)
    assert (answer.status, answer.headers["location"]) == (307, location)


def test_a_prefix_loses_its_trailing_slash(site: Site) -> None:
    assert site.get("/api/x").text == "api"


def test_a_missing_function_is_500(site: Site) -> None:
    assert site.get("/api/missing").status == 500


# Refused ----------------------------------------


def boot(app: App) -> Error:
    with pytest.raises(Error) as failed, served(app):
        pass
    return failed.value


@pytest.mark.parametrize(
    ("first", "second"),
    [("GET /x", "GET /x"), ("GET /u/{a}", "GET /u/{b}"), ("GET /{a}/x", "GET /y/{b}"), ("GET /f/{a...}", "GET /f/")],
)
def test_ambiguous_routes_are_refused(first: str, second: str) -> None:
    error = boot(App().endpoint(first, "").endpoint(second, ""))
    assert error.kind == "Conflict" and first in error.message and second in error.message


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"method": "get"}, 'did you mean "GET"?'),
        ({"method": "FETCH"}, 'method "FETCH" is not one of'),
        ({"path": "x"}, 'path "x" must start with "/"'),
        ({"path": "/a{b}"}, "a parameter must be a whole segment"),
        ({"path": "/{a}/{a}"}, "names a parameter twice"),
        ({"path": "/{a...}/b"}, "must come last"),
    ],
)
def test_wrong_endpoints_are_refused(data: dict[str, Any], text: str) -> None:
    app = App().function("f", "return 1")
    app.add("e", "http.endpoint", {"router": "root"}, **{"method": "GET", "path": "/x", "func": "f", **data})
    error = boot(app)
    assert error.kind == "Invalid" and text in error.message and "app:e" in error.message


def test_two_routers_with_one_prefix_are_refused() -> None:
    error = boot(App().add("other", "http.router", {"server": "web"}, prefix="/"))
    assert error.kind == "AlreadyExists" and "prefix" in error.message


@pytest.mark.parametrize(
    ("kind", "meta", "data", "field"),
    [
        ("http.router", {}, {"prefix": "/x"}, "meta.server"),
        ("http.router", {"server": "nowhere"}, {"prefix": "/x"}, "app:nowhere"),
        ("http.endpoint", {}, {"method": "GET", "path": "/x", "func": "f"}, "meta.router"),
        ("http.endpoint", {"router": "nowhere"}, {"method": "GET", "path": "/x", "func": "f"}, "app:nowhere"),
        ("http.endpoint", {"router": "root"}, {"method": "GET", "path": "/x"}, "func"),
        ("http.service", {}, {}, "addr"),
        ("http.service", {}, {"addr": "nonsense"}, "host:port"),
        ("http.service", {}, {"addr": "127.0.0.1:99999"}, "host:port"),
        ("http.router", {"server": "web"}, {"prefix": "/m", "middleware": ["nonsense"]}, "nonsense"),
        ("http.router", {"server": "web"}, {"prefix": "/m", "options": {"a": 1}}, "options"),
    ],
)
def test_entries_that_lack_something_are_refused(
    kind: str, meta: dict[str, Any], data: dict[str, Any], field: str
) -> None:
    error = boot(App().add("bad", kind, meta, **data))
    assert "app:bad" in error.message and field in error.message
