"""Who may come in: localhost by name, the right origin, the token; over real sockets."""

from __future__ import annotations

import logging

import httpx
import pytest

from station.web.guard import Guard
from station.web.settings import WebSettings
from tests.web.served import TOKEN, refused, served

LOCKED = WebSettings(port=0, token=TOKEN)


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("localhost", True),
        ("localhost:1234", True),  # a forwarded port
        ("LOCALHOST", True),
        ("sim.localhost:8180", True),
        ("127.0.0.1", True),
        ("127.8.8.8:80", True),
        ("[::1]:8180", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.7", False),
        ("0.0.0.0", False),
        ("[::", False),
        ("", False),
    ],
)
async def test_dns_rebinding(host: str, passes: bool) -> None:
    """Without a token only somebody who called us by a name of this computer is served."""
    async with served() as web:
        answer = await web.http.get("/api/v1/look/state", headers={"host": host})
        if passes:
            assert answer.status_code == 200
        else:
            refused(answer, 403, "host", "")
            refused(await web.http.get("/", headers={"host": host}), 403, "host")
            refused(await web.http.post("/api/v1/do/plug", headers={"host": host}), 403, "host")
            assert web.control.plugged == []


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"origin": "http://localhost:8180", "host": "localhost:8180"}, True),
        ({"origin": "http://localhost", "host": "localhost:80"}, True),
        ({"origin": "https://localhost", "host": "localhost"}, True),  # a proxy speaks TLS for us
        ({"origin": "http://localhost:8181", "host": "localhost:8180"}, False),
        ({"origin": "http://evil.example", "host": "localhost:8180"}, False),
        ({"origin": "null", "host": "localhost:8180"}, False),
        ({"origin": "file://", "host": "localhost:8180"}, False),
        ({"origin": "", "host": "localhost:8180"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),  # a link on another page
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, True),
    ],
)
async def test_a_page_of_another_site(headers: dict[str, str], passes: bool) -> None:
    async with served() as web:
        answer = await web.http.post("/api/v1/do/plug", json={}, headers=headers)
        assert (web.control.plugged == [1]) == passes
        if not passes:
            refused(answer, 403, "host", "")
            refused(await web.http.get("/api/v1/events", headers=headers), 403, "host")


async def test_without_the_token_nothing() -> None:
    async with served(settings=LOCKED) as web:
        for method, path in (
            ("GET", "/api/v1/look/state"),
            ("GET", "/openapi.json"),
            ("GET", "/static/app.js"),
            ("GET", "/nowhere"),
            ("GET", f"/api/v1/look/state?token={TOKEN}"),
            ("POST", "/api/v1/do/plug"),
            ("DELETE", "/"),
        ):
            answer = await web.http.request(method, path)
            refused(answer, 401, "auth", "")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert web.control.plugged == []


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
async def test_the_token_as_a_header(shown: str) -> None:
    async with served(settings=LOCKED, headers={"authorization": shown}) as web:
        assert (await web.do("plug")).status_code == 200
        # Whoever shows the token knows where he is: the name does not matter, another site's page still does.
        assert (await web.http.get("/api/v1/look/state", headers={"host": "station.example"})).status_code == 200
        foreign = {"origin": "https://evil.example"}
        refused(await web.http.get("/api/v1/look/state", headers=foreign), 403, "host")


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        b"Bearer " + b"\xff" * 16,
    ],
)
async def test_a_wrong_token(shown: str | bytes) -> None:
    async with served(settings=LOCKED, headers={"authorization": shown}) as web:
        refused(await web.look("state"), 401, "auth")


async def test_the_page_changes_the_token_into_a_cookie() -> None:
    async with served(settings=LOCKED) as web:
        page = await web.http.get("/")
        assert page.status_code == 401
        assert 'action="/login"' in page.text
        welcome = await web.http.get("/", params={"token": TOKEN})
        assert welcome.status_code == 303
        assert welcome.headers["location"] == "/", "the address bar forgets the token"
        cookie = welcome.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie, "plain HTTP could not send it back"
        assert TOKEN not in cookie
        assert TOKEN not in welcome.text
        assert (await web.look("state")).status_code == 200, "the client has kept the cookie"


async def test_the_form() -> None:
    async with served(settings=LOCKED) as web:
        wrong = await web.http.post("/login", data={"token": "x" * 24})
        assert wrong.status_code == 401
        assert "not the right one" in wrong.text
        assert "set-cookie" not in wrong.headers
        refused(await web.look("state"), 401, "auth")
        assert (await web.http.post("/login", data={"other": "x"})).status_code == 401
        assert (await web.http.post("/login", content=b"&".join([b"token=x"] * 100))).status_code == 401
        refused(await web.http.post("/login", content=b"x" * (1 << 21)), 413, "too_large")
        foreign = await web.http.post("/login", data={"token": TOKEN}, headers={"origin": "https://evil.example"})
        refused(foreign, 403, "host")
        right = await web.http.post("/login", data={"token": TOKEN})
        assert right.status_code == 303
        assert (await web.do("plug")).status_code == 200


@pytest.mark.parametrize("cookie", ["pilotwire-{port}=x", "pilotwire-{port}=" + TOKEN, "pilotwire-1=y", "é=1"])
async def test_a_wrong_cookie(cookie: str) -> None:
    async with served(settings=LOCKED) as web:
        text = cookie.format(port=web.http.base_url.port).encode("latin-1")
        try:
            answer = await web.http.get("/api/v1/look/state", headers=[(b"cookie", text)])
        except httpx.HTTPError:
            pytest.skip("the client does not send that")
        assert answer.status_code in {400, 401}


async def test_nobody_logs_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with served(settings=LOCKED) as web:
            await web.http.get("/", params={"token": TOKEN})
            await web.http.get("/", params={"token": TOKEN + "x"})
            await web.http.post("/api/v1/do/crash", headers={"authorization": f"Bearer {TOKEN}"})
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any("mistake" in str(record.exc_info) for record in ours)
    assert not [record for record in ours if TOKEN in record.getMessage()]
    assert TOKEN not in repr(LOCKED)


async def test_two_hosts_are_none() -> None:
    """h11 refuses it already; the guard does not rely on that."""
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        sent.append(dict(message))  # type: ignore[call-overload]  # ASGI messages are dicts

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"host", b"evil.example")],
    }
    guard = Guard(receive, local=True, token=None)  # type: ignore[arg-type]  # never called
    await guard(scope, receive, send)  # type: ignore[arg-type]  # as a server would
    assert sent[0]["status"] == 403
    await guard({"type": "websocket"}, receive, send)  # type: ignore[arg-type]  # there are none: closed without a word
    assert len(sent) == 2
