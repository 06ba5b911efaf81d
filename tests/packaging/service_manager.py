"""What systemd does for a unit of Type=notify, where PID 1 is not systemd: as much of it as its own settings name.

Start with the unit's environment, user and directories, READY=1, the watchdog and its signal, SIGTERM with its time limit, ExecStopPost
however the program ended, and the restart. Of the sandbox there are only user, umask, no new
privileges and MemoryDenyWriteExecute.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import grp
import os
import pwd
import shlex
import signal
import socket
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.packaging.unit import Unit

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65
DIRECTORIES = {"State": "/var/lib", "Runtime": "/run", "Configuration": "/etc", "Logs": "/var/log"}
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote. code: negative for a signal."""

    code: int
    text: str


class ServiceManager:
    """`async with ServiceManager(unit) as manager`: started and ready; stopped in the end. Raises TimeoutError, AssertionError.

    places: what stands in for a word of the unit's commands, where the unit is not installed. As root, and without `places`, the
    program runs as the unit's user, in the unit's directories. root: where the program sees its "/", in a chroot.
    """

    def __init__(
        self, unit: Unit, places: Mapping[str, tuple[str, ...]] | None = None, *, root: Path | None = None
    ) -> None:
        self.unit = unit
        self.said: list[str] = []
        self.log = ""
        self.after: list[Ended] = []  # every ExecStopPost
        self.program: asyncio.subprocess.Process | None = None
        self._places = places or {}
        self._installed = places is None and os.geteuid() == 0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="manager-", dir=None if root is None else root / "tmp")
        self._address = Path(self._folder.name, "notify")
        self._seen_address = self._address if root is None else Path("/", self._address.relative_to(root))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.setblocking(False)

    # --- life of the service --------------------------------------------------------------------------------------------

    async def __aenter__(self) -> ServiceManager:
        self._socket.bind(str(self._address))
        os.chmod(self._folder.name, 0o755)
        os.chmod(self._address, 0o777)
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        try:
            await self.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.program is not None:
                await self.stop()
        finally:
            await self._close()

    async def start(self) -> None:
        """ExecStart, until READY=1."""
        self._make_directories()
        mark = len(self.said)
        self.program = await self._spawn(self.unit.one("ExecStart"), self._environment(watched=True))
        self._tasks = [asyncio.ensure_future(self._collect(self.program))]
        await self.hears("READY=1", since=mark, within=self.unit.seconds("TimeoutStartSec"))

    async def stop(self) -> Ended:
        """SIGTERM, as `systemctl stop`; then ExecStopPost."""
        program = self._running()
        program.send_signal(signal.SIGTERM)
        return await self._gone(self.unit.seconds("TimeoutStopSec"))

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> Ended:
        """What a crash, the OOM killer or a person does; then ExecStopPost. `start` is the restart."""
        self._running().send_signal(number)
        return await self._gone(5)

    async def restart_after(self) -> None:
        """Restart=always: RestartSec later."""
        assert self.unit.one("Restart") == "always"
        await asyncio.sleep(self.unit.seconds("RestartSec"))
        await self.start()

    async def hears(self, message: str, *, since: int = 0, within: float) -> None:
        """Until the program has said `message` (the beginning of it) after the first `since` messages."""
        try:
            async with asyncio.timeout(within):
                while not any(said.startswith(message) for said in self.said[since:]):
                    self._news.clear()
                    if self.program is not None and self.program.returncode is not None:
                        raise AssertionError(f"the program ended without {message}; its log: {self.log}")
                    await asyncio.wait(
                        [asyncio.ensure_future(self._news.wait()), *self._tasks], return_when=asyncio.FIRST_COMPLETED
                    )
        except TimeoutError:
            raise AssertionError(f"no {message} within {within} s; said {self.said}; its log: {self.log}") from None

    async def watch(self, feedings: int) -> Ended | None:
        """The watchdog for so many feedings: None, or how the program ended when one did not come in time."""
        limit = self.unit.seconds("WatchdogSec")
        for _ in range(feedings):
            try:
                await self.hears("WATCHDOG=1", since=len(self.said), within=limit)
            except AssertionError:
                self._running().send_signal(signal.Signals[self.unit.one("WatchdogSignal")])
                return await self._gone(5)
        return None

    # --- one process ----------------------------------------------------------------------------------------------------

    def _running(self) -> asyncio.subprocess.Process:
        assert self.program is not None, "the service does not run"
        return self.program

    async def _gone(self, within: float) -> Ended:
        program = self._running()
        try:
            await asyncio.wait_for(program.wait(), within)
        except TimeoutError:
            program.kill()
            await program.wait()
            raise AssertionError(f"it did not end within {within} s; its log: {self.log}") from None
        finally:
            await asyncio.gather(*self._tasks)
            self.program = None
        code = program.returncode or 0
        environ = {
            **self._environment(watched=False),
            "SERVICE_RESULT": "success" if code == 0 else "signal" if code < 0 else "exit-code",
            "EXIT_CODE": "killed" if code < 0 else "exited",
            "EXIT_STATUS": signal.Signals(-code).name.removeprefix("SIG") if code < 0 else str(code),
        }
        for command in self.unit.all("ExecStopPost"):
            post = await self._spawn(command.removeprefix("-"), environ)
            out, _ = await asyncio.wait_for(post.communicate(), self.unit.seconds("TimeoutStopSec"))
            self.after.append(Ended(post.returncode or 0, out.decode()))
            assert command.startswith("-") or post.returncode == 0, out.decode()
        return Ended(code, self.log)

    async def _spawn(self, command: str, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
        words = [new for word in shlex.split(command) for new in self._places.get(word, (word,))]
        user = self._user() if self._installed else {}
        return await asyncio.create_subprocess_exec(
            *words,
            cwd=self.unit.one("WorkingDirectory") if self._installed else self._folder.name,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            umask=int(self.unit.one("UMask"), 8),
            preexec_fn=self._confine,  # only system calls, and the child has one thread
            **user,
        )

    def _user(self) -> dict[str, object]:
        return {
            "user": pwd.getpwnam(self.unit.one("User")).pw_uid,
            "group": grp.getgrnam(self.unit.one("Group")).gr_gid,
            "extra_groups": [grp.getgrnam(name).gr_gid for name in self.unit.one("SupplementaryGroups").split()],
        }

    def _confine(self) -> None:
        """In the child, before it becomes the program (user and group have been changed by then)."""
        prctl = _LIBC.prctl
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if self.unit.one("MemoryDenyWriteExecute") == "yes":
            prctl(PR_SET_MDWE, 1, 0, 0, 0)  # kernels before 6.3 do not know it

    def _environment(self, *, watched: bool) -> dict[str, str]:
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "JOURNAL_STREAM": "8:1", "INVOCATION_ID": "0" * 32}
        environ["NOTIFY_SOCKET"] = str(self._seen_address)
        for words in self.unit.all("Environment"):
            environ |= dict(word.split("=", 1) for word in shlex.split(words))
        for kind, place in DIRECTORIES.items():
            environ[f"{kind.upper()}_DIRECTORY"] = f"{place}/{self.unit.one(f'{kind}Directory')}"
        if watched:
            environ["WATCHDOG_USEC"] = str(round(self.unit.seconds("WatchdogSec") * 1e6))
        return environ

    def _make_directories(self) -> None:
        if not self._installed:
            return
        uid, gid = pwd.getpwnam(self.unit.one("User")).pw_uid, grp.getgrnam(self.unit.one("Group")).gr_gid
        for kind, place in DIRECTORIES.items():
            folder = Path(place, self.unit.one(f"{kind}Directory"))
            if not folder.exists():
                folder.mkdir()
                folder.chmod(int(self.unit.one(f"{kind}DirectoryMode"), 8))
                if kind != "Configuration":
                    os.chown(folder, uid, gid)

    async def _collect(self, program: asyncio.subprocess.Process) -> None:
        assert program.stdout is not None
        async for line in program.stdout:
            self.log += line.decode()

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, extra, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
                pid = next(
                    (_CREDENTIALS.unpack(what)[0] for _, kind, what in extra if kind == socket.SCM_CREDENTIALS), 0
                )
                # NotifyAccess=main: of the main process, and of nobody else.
                if self.program is None or pid in {self.program.pid, 0}:
                    self.said += data.decode().splitlines()
                self._news.set()

    async def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self.program is not None and self.program.returncode is None:
            self.program.kill()
            await self.program.wait()
        await asyncio.gather(*self._tasks)
        self._folder.cleanup()


_LIBC = ctypes.CDLL(None)
