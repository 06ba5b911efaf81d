"""The foreign CSMS as the tests see it: a Node process with npm `ocpp-rpc` in strict mode, over its stdin and stdout.

Everything that it hears is kept in `calls`, everything that anybody refuses in `refusals` and `mistakes`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("csms.js")
PATIENCE_S = 30.0

_IDLE: list[subprocess.Popen[bytes]] = []
"""Processes that the next test takes over: starting one takes longer than most tests."""


def _spawn(node: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _dispose(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    process.wait(PATIENCE_S)


def dispose_of_all() -> None:
    """End the processes that wait for another test; they go when their input ends."""
    while _IDLE:
        _dispose(_IDLE.pop())


@dataclass(slots=True)
class Heard:
    """One CALL of the station. `answer` None: not answered (yet), or with a CALLERROR (then `refused`)."""

    conn: int
    protocol: str
    id: str
    action: str
    payload: dict[str, Any]
    answer: dict[str, Any] | None = None
    refused: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a CALL to the station. `error`: the code of its CALLERROR (or what else went wrong)."""

    result: dict[str, Any]
    error: str | None
    text: str
    ms: float

    @property
    def status(self) -> Any:
        return self.result.get("status")


class ForeignCsms:
    """Start it with `start`, end it with `close`; in between it may `stop` and `listen` again, or `vanish`.

    refusals: CALLERRORs of either side. mistakes: frames of the station that its strict validator rejects, and texts
    that are no frames. `changed` is called after every piece of news.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: asyncio.ReadTransport | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = 0
        self._policy: dict[str, Any] = {}
        self._conn_base = 0
        self.starts = 0
        self.port = 0
        self.calls: list[Heard] = []
        self.opened: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self.turned_away: list[int] = []
        self.tls_errors: list[str] = []
        self.refusals: list[dict[str, Any]] = []
        self.mistakes: list[dict[str, Any]] = []
        self.changed: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self, **policy: Any) -> None:
        """Start a process and listen: on a port that the system chooses, or on the one it had before."""
        self._process = _IDLE.pop() if _IDLE else _spawn(self._node)
        await self._attach(self._process)
        # A CSMS does not give the same transactionId twice, restarted or not.
        self._policy |= {"firstTx": self.starts * 1000} | policy
        self.starts += 1
        self._conn_base = self.starts * 1_000_000
        await self.policy(**self._policy)
        await self.listen()

    async def vanish(self) -> None:
        """The machine is gone: SIGKILL, no close frames, nobody listens."""
        assert self._process is not None
        self._process.kill()
        await self._detach()
        _dispose(self._process)
        self._process = None

    async def close(self) -> None:
        """Hand the process over to the next test."""
        if self._process is None:
            return
        await self.order("reset")
        assert self._pipe is not None
        self._pipe.close()
        await self._detach()
        _IDLE.append(self._process)
        self._process = None

    async def _attach(self, process: subprocess.Popen[bytes]) -> None:
        """Read its output in the running loop, over a descriptor of our own."""
        assert process.stdout is not None
        reader = asyncio.StreamReader(limit=1 << 24)
        output = os.fdopen(os.dup(process.stdout.fileno()), "rb", buffering=0)
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), output
        )
        self._reader = asyncio.create_task(self._read(reader))

    async def _detach(self) -> None:
        assert self._reader is not None
        await self._reader
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._take(json.loads(line))
            self.changed()

    def _take(self, news: dict[str, Any]) -> None:
        if "re" in news:
            future = self._waiting.pop(news["re"])
            if not future.done():
                future.set_result(news)
            return
        news["conn"] = news.get("conn", 0) + self._conn_base
        match news["event"]:
            case "call":
                heard = Heard(news["conn"], news["protocol"], news["id"], news["action"], news["payload"])
                self.calls.append(heard)
            case "answer":
                self._heard(news).answer = news["payload"]
            case "callerror":
                self.refusals.append(news)
                if news["by"] == "csms":
                    self._heard(news).refused = news["frame"]
            case "invalid" | "bad":
                self.mistakes.append(news)
            case "open":
                self.opened.append(news)
            case "close":
                self.closed.append(news)
            case "tls":
                self.tls_errors.append(news["error"])
            case "refused":
                self.turned_away.append(news["code"])

    def _heard(self, news: dict[str, Any]) -> Heard:
        return next(call for call in reversed(self.calls) if call.id == news["id"])

    # --- orders -------------------------------------------------------------------------------------------------------

    async def order(self, cmd: str, **rest: Any) -> dict[str, Any]:
        """One command of the script. Raises AssertionError when it fails."""
        assert self._process is not None, "the CSMS is not running"
        assert self._process.stdin is not None
        self._numbers += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._numbers] = future
        self._process.stdin.write(json.dumps({"n": self._numbers, "cmd": cmd, **rest}).encode() + b"\n")
        self._process.stdin.flush()
        reply = await asyncio.wait_for(future, PATIENCE_S + 5.0)
        assert "failed" not in reply, f"{cmd}: {reply['failed']}"
        return reply

    async def listen(self) -> None:
        self.port = (await self.order("listen", port=self.port))["port"]

    async def secure(self, *, port: int = 0, **tls: Any) -> str:
        """One more place to be called at, with TLS; `tls`: options of Node's tls.createServer. Its URL."""
        return f"wss://127.0.0.1:{(await self.order('secure', port=port, tls=tls))['port']}"

    async def unsecure(self) -> None:
        """Listen with TLS no more; those lines break."""
        await self.order("unsecure")

    async def stop(self, code: int | None = None) -> None:
        """Listen no more; break every line, with a close frame when a code is given."""
        await self.order("stop", **({} if code is None else {"code": code}))

    async def close_line(self, code: int) -> None:
        await self.order("close", code=code)

    async def lose(self) -> None:
        await self.order("lose")

    async def policy(self, **members: Any) -> None:
        """Change how it answers; see `policy` in the script."""
        self._policy |= {name: value for name, value in members.items() if name != "rules"}
        await self.order("policy", set=members)

    async def rules(self, *rules: dict[str, Any]) -> None:
        """Treat the next fitting calls in another way; see `treat` in the script."""
        await self.policy(rules=list(rules))

    async def raw(self, text: str) -> None:
        await self.order("raw", text=text)

    async def call(self, action: str, payload: dict[str, Any] | None = None) -> Outcome:
        """CALL the station, strictly validated in both directions."""
        reply = await self.order("call", action=action, payload=payload or {})
        error = reply.get("error")
        return Outcome(
            reply.get("result", {}), error["code"] if error else None, error["text"] if error else "", reply["ms"]
        )

    # --- what it heard ------------------------------------------------------------------------------------------------

    def heard(self, action: str, since: int = 0, **members: Any) -> list[Heard]:
        """Calls of this action whose payload has these members, in order of arrival."""
        return [
            call
            for call in self.calls[since:]
            if call.action == action and all(call.payload.get(name) == value for name, value in members.items())
        ]

    def events(self, kind: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Payloads of TransactionEvent."""
        return [call.payload for call in self.heard("TransactionEvent", since, **({"eventType": kind} if kind else {}))]

    def statuses(self, connector: int, since: int = 0) -> list[str]:
        """What StatusNotification said of a connector (1.6) or an EVSE (2.0.1)."""
        return list(self._statuses(connector, since))

    def _statuses(self, connector: int, since: int) -> Iterator[str]:
        for call in self.heard("StatusNotification", since):
            if call.payload.get("evseId", call.payload["connectorId"]) == connector:
                yield str(call.payload.get("connectorStatus", call.payload.get("status")))
