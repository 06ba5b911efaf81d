"""What systemd hears (a real datagram socket), and tasks that come back."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.runtime.supervise import BackOff, Heartbeat, Notifier, Supervisor, Watchdog


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        messages: list[str] = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    address = str(tmp_path / "notify")
    end = Manager(address)
    yield end, address
    end.close()


def test_the_words_of_sd_notify(manager: tuple[Manager, str]) -> None:
    end, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "42"}, 42)
    assert notifier.watchdog_s == 20.0
    notifier.ready()
    notifier.status("EVSE 1: charging,\n 16 A")
    notifier.watchdog()
    notifier.extend(2.5)
    notifier.stopping()
    assert end.heard() == [
        "READY=1",
        "STATUS=EVSE 1: charging, 16 A",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=2500000",
        "STOPPING=1",
    ]
    notifier.close()


@pytest.mark.skipif(not hasattr(socket, "SO_PASSCRED"), reason="the abstract namespace is Linux's")
def test_the_abstract_namespace(tmp_path: Path) -> None:
    name = f"pilotwire-test-{tmp_path}"
    end = Manager("\0" + name)
    notifier = Notifier({"NOTIFY_SOCKET": "@" + name}, 1)
    notifier.ready()
    assert end.heard() == ["READY=1"]
    notifier.close()
    end.close()


@pytest.mark.parametrize(
    "extra", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"}]
)
def test_nobody_watches(extra: dict[str, str], manager: tuple[Manager, str]) -> None:
    assert Notifier({"NOTIFY_SOCKET": manager[1], **extra}, 42).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "5000000"}, 42).watchdog_s is None


def test_without_systemd_and_with_a_deaf_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}, 1).ready()
    assert caplog.text == ""
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1)
    for _ in range(3):
        notifier.watchdog()
    assert caplog.text.count("not told WATCHDOG") == 1
    notifier.close()


async def test_the_watchdog_is_fed_only_on_signs_of_life(
    manager: tuple[Manager, str], caplog: pytest.LogCaptureFixture
) -> None:
    end, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000"}, 1)
    now = 100.0
    board, store = Heartbeat(lambda: now, 3.0), Heartbeat(lambda: now, 60.0)
    heard: list[list[str]] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        assert seconds == 10.0
        heard.append(end.heard())
        now += seconds
        match len(heard):
            case 1:
                board.beat()
                store.beat()
            case 2:
                pass  # the board is silent
            case 3:
                board.beat()
            case _:
                raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Watchdog(notifier, {"board": board.confirmed, "store": store.confirmed}, sleep=sleep).run()
    assert heard == [[], ["WATCHDOG=1"], [], ["WATCHDOG=1"]]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "watchdog not fed: no sign of life from board, store",
        "watchdog not fed: no sign of life from board",
    ]
    notifier.close()


async def test_a_watchdog_that_nobody_reads_returns() -> None:
    await Watchdog(Notifier({}, 1), {}).run()


class Pauses:
    """A sleep that takes no time and remembers; after `limit` pauses it waits for ever."""

    def __init__(self, limit: int) -> None:
        self.taken: list[float] = []
        self.reached = asyncio.Event()
        self._limit = limit

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        if len(self.taken) >= self._limit:
            self.reached.set()
            await asyncio.Event().wait()


async def test_a_crashing_task_comes_back_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    pauses = Pauses(8)
    crashes: list[tuple[str, str]] = []
    supervisor = Supervisor(sleep=pauses, on_crash=lambda name, error: crashes.append((name, str(error))))
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        raise RuntimeError(f"run {runs}")

    supervisor.watch("meter", work)
    await pauses.reached.wait()
    assert pauses.taken == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert crashes[:2] == [("meter", "run 1"), ("meter", "run 2")]
    assert "task meter crashed, starts again in 0.5 s" in caplog.text
    assert supervisor.names == {"meter"}
    await supervisor.close()
    assert supervisor.names == frozenset()


async def test_a_steady_run_forgives_earlier_crashes() -> None:
    pauses = Pauses(3)
    supervisor = Supervisor(sleep=pauses)

    async def work() -> None:
        raise RuntimeError

    supervisor.watch("x", work, back_off=BackOff(first_s=1.0, steady_s=0.0))
    await pauses.reached.wait()
    assert pauses.taken == [1.0, 1.0, 1.0]
    await supervisor.close()


@pytest.mark.parametrize("how", ["returns", "cancelled"])
async def test_an_end_without_an_error_is_a_crash_too(how: str, caplog: pytest.LogCaptureFixture) -> None:
    pauses = Pauses(1)
    supervisor = Supervisor(sleep=pauses)

    async def work() -> None:
        if how == "cancelled":
            raise asyncio.CancelledError

    supervisor.watch("x", work)
    await pauses.reached.wait()
    assert "task x crashed" in caplog.text
    await supervisor.close()


async def test_a_task_with_an_end_ends_and_its_name_is_free() -> None:
    supervisor = Supervisor()
    ended = asyncio.Event()

    async def work() -> None:
        ended.set()

    supervisor.watch("x", work, forever=False)
    with pytest.raises(ValueError, match="already watched"):
        supervisor.watch("x", work)
    await ended.wait()
    while supervisor.names:
        await asyncio.sleep(0)
    supervisor.watch("x", work, forever=False)
    await supervisor.close()


async def test_stopping_waits_for_the_clean_up(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor()
    running, cleaned = asyncio.Event(), []

    async def work() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
            raise OSError("relay still closed")

    supervisor.watch("x", work)
    await running.wait()
    await supervisor.stop("x")
    await supervisor.stop("never was")
    assert cleaned == [True]
    assert "task x crashed while stopping" in caplog.text


async def test_a_broken_listener_is_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    def listener(name: str, error: BaseException) -> None:
        raise ZeroDivisionError

    supervisor = Supervisor(on_crash=listener)

    async def work() -> None:
        raise RuntimeError

    supervisor.watch("x", work)
    while supervisor.names:
        await asyncio.sleep(0)
    assert "task x is no longer kept running" in caplog.text
