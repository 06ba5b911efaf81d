"""The local socket: whose it is, what stands there already, several clients, and clients who behave badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from station.errors import ConfigError
from station.runtime import control_socket
from station.runtime.control_path import SYSTEM, candidates, distrust, own_path
from station.runtime.control_socket import MOST_CLIENTS, ControlSocket, SocketError
from station.runtime.lines import MOST_LINE
from tests.runtime.small_control import SmallControl


class Client:
    """One connection of somebody else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: bytes | dict[str, Any]) -> None:
        for line in lines:
            self.writer.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        await self.writer.drain()

    async def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await asyncio.wait_for(self.reader.readline(), 10))
        return found

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self.say(request)
        return await self.hear()

    async def rest(self) -> list[dict[str, Any]]:
        """What comes until it hangs up."""
        with contextlib.suppress(ConnectionResetError):
            return [json.loads(line) for line in (await asyncio.wait_for(self.reader.read(), 10)).splitlines()]
        return []


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[SmallControl]:
    control = SmallControl()
    server = ControlSocket(control, tmp_path / "c.sock")
    await server.start()
    control.server = server  # type: ignore[attr-defined]
    yield control
    await server.close()


@contextlib.asynccontextmanager
async def client(control: SmallControl) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_unix_connection(server_of(control).path, limit=1 << 24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def server_of(control: SmallControl) -> ControlSocket:
    server: ControlSocket = control.server  # type: ignore[attr-defined]
    return server


async def until(check: Any) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.005)


# --- the file ---------------------------------------------------------------------------------------------------------


async def test_the_file_is_its_owners_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    before = os.umask(0)
    try:
        server = ControlSocket(SmallControl(), path)
        await server.start()
    finally:
        os.umask(before)
    found = path.lstat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    await server.close()
    assert not path.exists()
    await server.close()


async def test_the_socket_of_a_dead_station_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ControlSocket(SmallControl(), path)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do": "echo"}\n')
    assert json.loads(await reader.readline())["ok"]
    writer.close()
    await writer.wait_closed()
    await server.close()


async def test_the_socket_of_a_living_station_is_not(tmp_path: Path, control: SmallControl) -> None:
    with pytest.raises(SocketError, match="another station answers there"):
        await ControlSocket(SmallControl(), tmp_path / "c.sock").start()
    async with client(control) as other:
        assert (await other.ask(do="echo"))["ok"]


async def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    path.write_text("precious")
    with pytest.raises(SocketError, match="is no socket"):
        await ControlSocket(SmallControl(), path).start()
    assert path.read_text() == "precious"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(SocketError, match="is no socket"):
        await ControlSocket(SmallControl(), link).start()


async def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(SocketError, match=r"cannot be made.*Remedy: create .*missing"):
        await ControlSocket(SmallControl(), tmp_path / "missing" / "c.sock").start()
    with pytest.raises(SocketError, match="at most 103 bytes"):
        await ControlSocket(SmallControl(), tmp_path / ("x" * 120)).start()


async def test_a_file_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    first, second = ControlSocket(SmallControl(), path), ControlSocket(SmallControl(), path)
    await first.start()
    path.unlink()
    await second.start()
    await first.close()
    assert path.exists()
    await second.close()


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_another_user_is_turned_away(control: SmallControl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's word stands for a second user, whom a test cannot be."""

    class Ucred(struct.Struct):
        def unpack(self, _data: Any) -> tuple[int, int, int]:
            return 1, 4242, 4242

    monkeypatch.setattr(control_socket, "_UCRED", Ucred("3i"))
    monkeypatch.setattr(control_socket.socket, "SO_PEERCRED", getattr(socket, "SO_PEERCRED", 17), raising=False)
    async with client(control) as stranger:
        (answer,) = await stranger.rest()
    assert not answer["ok"]
    assert "user 4242" in answer["error"]
    assert control.log == []


async def test_more_than_enough_clients(control: SmallControl) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(control)) for _ in range(MOST_CLIENTS)]
        for each in clients:
            assert (await each.ask(do="echo"))["ok"]
        async with client(control) as late:
            (answer,) = await late.rest()
            assert "clients are connected already" in answer["error"]
        clients[0].writer.close()
        await until(lambda: server_of(control).clients < MOST_CLIENTS)
        async with client(control) as later:
            assert (await later.ask(do="echo"))["ok"]


# --- talking ----------------------------------------------------------------------------------------------------------


async def test_requests_of_one_are_carried_out_in_order_and_of_two_side_by_side(control: SmallControl) -> None:
    async with client(control) as one, client(control) as two:
        await one.say({"id": 1, "do": "slow"}, {"id": 2, "do": "echo"})
        assert (await two.ask(id=3, do="echo"))["id"] == 3
        control.gate.set()
        assert [(await one.hear())["id"], (await one.hear())["id"]] == [1, 2]
    assert control.log == ["slow", "echo", "slow is done", "echo"]


async def test_bytes_may_come_in_any_pieces(control: SmallControl) -> None:
    async with client(control) as one:
        for byte in b'{"id": 1, "do": "echo"}\r\n':
            await one.say(bytes([byte]))
        assert (await one.hear())["ok"]
        await one.say(b"rubbish\n")
        assert "not JSON" in (await one.hear())["error"]
        await one.say(b"x" * (MOST_LINE + 1))
        assert "longer than" in (await one.hear())["error"]
        await one.say(b'still the same line\n{"do": "echo"}\n')
        assert (await one.hear())["ok"]


async def test_who_says_no_more_still_hears_the_answers(control: SmallControl) -> None:
    async with client(control) as one:
        await one.say({"id": 1, "do": "slow"}, b'{"id": 2, "do": "echo"}')
        one.writer.write_eof()
        await until(lambda: "slow" in control.log)
        control.gate.set()
        assert [answer["id"] for answer in await one.rest()] == [1, 2]


async def test_who_subscribed_and_says_no_more_still_hears_events(control: SmallControl) -> None:
    async with client(control) as one:
        await one.ask(do="subscribe", topics=["frame"])
        one.writer.write_eof()
        await asyncio.sleep(0.02)
        control.emit({"event": "frame", "n": 1})
        assert await one.hear() == {"event": "frame", "n": 1}
    await until(lambda: not server_of(control).clients or control.emit({"event": "frame", "n": 2}))
    await until(lambda: not control.listeners)


async def test_who_hangs_up_leaves_nothing_half_done(control: SmallControl) -> None:
    async with client(control) as one:
        await one.say({"do": "slow"}, {"do": "echo"})
        await until(lambda: control.log)
    await until(lambda: not server_of(control).clients)
    control.gate.set()
    await until(lambda: "slow is done" in control.log)
    await asyncio.sleep(0)
    assert "echo" not in control.log, "what was not begun is not done"


async def test_nobody_waits_for_somebody_who_is_gone(control: SmallControl) -> None:
    async with client(control) as one:
        await one.say({"do": "wait", "duration": 1e6})
        await until(lambda: control.log)
    await until(lambda: not server_of(control).clients)
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "control client"])


async def test_a_reader_who_does_not_read(control: SmallControl) -> None:
    """Another is served as ever, memory is bounded, and the loss is told when reading goes on."""
    async with client(control) as lazy, client(control) as other:
        await lazy.ask(do="subscribe", topics=["frame", "state"])
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        asked = 200
        for _ in range(asked):
            assert (await other.ask(do="burst", events=20, size=2000))["ok"]
        (work,) = [each for each in server_of(control)._clients if each._session.subscribed]
        assert work._out.waiting < 2 * MOST_LINE
        lazy.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = lost = states = 0
        while heard + lost < asked * 20:
            event = await lazy.hear()
            heard += event["event"] == "frame"
            states += event["event"] == "state"
            lost += event.get("lost", 0)
        assert lost > 0
        assert states < asked * 20
        assert (await lazy.ask(do="echo"))["ok"]


async def test_a_client_who_asks_and_never_reads_is_not_served_further(control: SmallControl) -> None:
    async with client(control) as lazy:
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        big = json.dumps({"do": "echo", "text": "x" * 100_000}).encode() + b"\n"
        lazy.writer.write(big * 400)
        count = -1
        while count != len(control.log):
            count = len(control.log)
            await asyncio.sleep(0.1)
        assert 0 < count < 100
        lazy.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(400):
            assert (await lazy.hear())["ok"]


async def test_close_hangs_up(tmp_path: Path) -> None:
    control = SmallControl()
    server = ControlSocket(control, tmp_path / "c.sock")
    await server.start()
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b'{"do": "slow"}\n')
    await until(lambda: control.log)
    await server.close()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


# --- where ------------------------------------------------------------------------------------------------------------


def test_where_it_is_looked_for() -> None:
    assert candidates({})[1:] == [SYSTEM]
    assert candidates({"XDG_RUNTIME_DIR": "/run/user/7"}) == [Path("/run/user/7/pilotwire.sock"), SYSTEM]
    assert candidates({"XDG_RUNTIME_DIR": "/run/user/7", "PILOTWIRE_SOCKET": "/x"}) == [Path("/x")]
    assert own_path("/y", {"PILOTWIRE_SOCKET": "/x"}) == Path("/y")
    assert own_path("", {"PILOTWIRE_SOCKET": "/x", "XDG_RUNTIME_DIR": "/r"}) == Path("/x")
    assert own_path("", {"XDG_RUNTIME_DIR": "/r"}) == Path("/r/pilotwire.sock")


def test_without_a_runtime_directory_both_meet_in_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / f"pilotwire-{os.getuid()}" / "control.sock"
    assert candidates({}) == [path, SYSTEM]
    assert not path.parent.exists(), "who only looks makes nothing"
    assert distrust(path) is None
    old = os.umask(0o277)
    try:
        assert own_path("", {}) == path
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    assert own_path("", {}) == path, "what is there already is taken"
    assert distrust(path) is None


@pytest.mark.parametrize("how", ["open", "link", "file", "of another"])
def test_a_private_directory_that_is_not_private_is_refused(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"pilotwire-{os.getuid()}"
    if how == "file":
        folder.touch(0o700)
    elif how == "link":
        (tmp_path / "elsewhere").mkdir(0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(0o700)
        folder.chmod(0o755 if how == "open" else 0o700)
    if how == "of another":
        uid = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: uid)
        folder.rename(tmp_path / f"pilotwire-{uid}")
    with pytest.raises(ConfigError, match=r"pilotwire-\d+ .*Remedy"):
        own_path("", {})
    assert "Remedy" in str(distrust(candidates({})[0]))
    assert distrust(tmp_path / "c.sock") is None, "what somebody names is his own business"


def test_nowhere_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"--socket: .*none.*name a path"):
        own_path("", {})
