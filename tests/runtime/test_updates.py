"""The jobs that move files, on a real store and real servers: uploads of logs, downloads and installations of firmware."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from station.clock import Now
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.diagnostics import UPLOAD_JOB
from station.core.firmware import DOWNLOAD_JOB, INSTALL_JOB
from station.core.types import EvseInfo
from station.errors import SecurityError
from station.runtime import updates, uploads
from station.runtime.filework import FileSettings, FileWork
from station.runtime.jobs import JOB, JobDone, JobProgress, Jobs
from station.runtime.transfers import PermissionDeniedError, TransferError
from station.runtime.updates import FirmwareTrust, Installation, NoInstaller, no_roots
from station.runtime.uploads import repeatedly
from station.security.api import CertificateUse, Outcome
from station.security.testpki import TestPki
from station.store.sqlite import SqliteStore
from tests.runtime.file_servers import Web, serve_ftp, serve_web
from tests.runtime.test_jobs import Reports, open_store

CONTENT = b"a new firmware" * 1000
PKI = TestPki(time.time())
SIGNER = PKI.get("manufacturer/firmware")


def sign(content: bytes = CONTENT) -> str:
    assert isinstance(SIGNER.key, ec.EllipticCurvePrivateKey)
    return base64.b64encode(SIGNER.key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()


async def turns() -> None:
    """What can happen without a thread happens."""
    for _ in range(20):
        await asyncio.sleep(0)


class Slow:
    """Work in a thread whose first call waits until it may go on."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.begun, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()
        self._work = work

    def __call__(self, *args: Any) -> Any:
        if self.begun.is_set():
            return self._work(*args)
        self.begun.set()
        assert self.go_on.wait(20)
        try:
            return self._work(*args)
        finally:
            self.ended.set()


class Recorder:
    """An installer that says what it is told to."""

    def __init__(self, result: Installation) -> None:
        self.result = result
        self.files: list[bytes] = []

    async def install(self, file: Path) -> Installation:
        self.files.append(file.read_bytes())
        return self.result


class Bench:
    """One station's files and jobs, without the station."""

    def __init__(self, folder: Path, store: SqliteStore | None = None, installer: Any = None, **more: Any) -> None:
        self.store = store or open_store()
        self.reports = Reports()
        self.jobs = Jobs(self.store, self.reports)
        self.model = DeviceModel(standard_definitions((EvseInfo(1),)))
        settings = FileSettings(folder, installer or NoInstaller(), **more)
        rows = self.store.rows()
        self.work = FileWork(settings, self, self.jobs, rows, about=lambda: {"identity": "CS-1"})
        self.folder = folder

    def view(self) -> object:
        return None

    def now(self) -> Now:
        return Now(1.0, 1_780_000_000.0, 1)

    def listen(self, listener: Any) -> None:
        """Nothing happens in this station."""

    async def __aenter__(self) -> Bench:
        rows = self.store.rows()
        await self.work.start(rows)
        self.jobs.restore(rows.get(JOB, {}))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.jobs.close()
        await self.work.close()

    def upload(self, url: str, job: str = "log-1", **more: Any) -> None:
        arguments = {
            "request": 1,
            "log": "SecurityLog",
            "url": url,
            "filename": "CS-1_security.jsonl",
            "oldest": None,
            "latest": None,
            "retries": 0,
            "interval_s": 0.01,
        }
        self.jobs.start(job, UPLOAD_JOB, {**arguments, **more})

    def download(self, url: str, job: str = "fw-1", **more: Any) -> None:
        arguments = {"url": url, "certificate": None, "signature": None, "retries": 0, "interval_s": 0.01}
        self.jobs.start(job, DOWNLOAD_JOB, {**arguments, **more})

    async def ended(self) -> dict[str, Any]:
        """The result of the job."""
        async with asyncio.timeout(20):
            done = await self.reports.ended()
        assert done.result is not None, done
        return done.result

    async def both_ended(self) -> None:
        async with asyncio.timeout(20):
            while sum(isinstance(report, JobDone) for report in self.reports) < 2:
                await self.reports.ended()

    def progress(self) -> list[Any]:
        return [report.data["status"] for report in self.reports if isinstance(report, JobProgress)]

    def left(self) -> list[str]:
        return sorted(str(f.relative_to(self.folder)) for f in self.folder.rglob("*") if f.is_file())


# --- logs ---------------------------------------------------------------------------------------------------------------


async def test_a_log_is_uploaded(tmp_path: Path) -> None:
    store = open_store()
    async with Bench(tmp_path / "files", store) as bench:
        bench.work.archive.frame("in", "[]", None, "ok")
        with serve_web(Web()) as web:
            bench.upload(web.url(), log="DiagnosticsLog", filename="CS-1.zip")
            assert await bench.ended() == {"status": "Uploaded"}
    assert bench.progress() == ["Uploading"]
    ((method, path, _, body),) = web.requests
    assert (method, path, body[:2]) == ("PUT", "/logs/CS-1.zip", b"PK")
    assert bench.left() == []
    assert JOB not in store.rows()
    assert stat.S_IMODE((tmp_path / "files" / "uploads").stat().st_mode) == 0o700


async def test_tried_again_until_it_works(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(fail_first=2)) as web:
            bench.upload(web.url(), retries=2)
            assert await bench.ended() == {"status": "Uploaded"}
    assert len(web.requests) == 3


async def test_given_up_after_as_many_tries_as_were_asked_for(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(statuses={"PUT": 500})) as web:
            bench.upload(web.url(), retries=2)
            result = await bench.ended()
    assert len(web.requests) == 3
    assert result["status"] == "UploadFailure"
    assert "500" in result["info"]
    assert bench.left() == []


async def test_no_permission_is_told_at_once(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(password=True)) as web:
            bench.upload(web.url(login="user:secret"), retries=5, interval_s=60.0)
            result = await bench.ended()
    assert result["status"] == "PermissionDenied"
    assert "secret" not in repr(bench.reports)


@pytest.mark.parametrize(
    ("url", "status"),
    [("dummy://dummy", "NotSupportedOperation"), ("nonsense", "BadMessage"), ("http://127.0.0.1:9/", "UploadFailure")],
)
async def test_addresses_that_lead_nowhere(tmp_path: Path, url: str, status: str) -> None:
    """TC_N_26."""
    async with Bench(tmp_path) as bench:
        bench.upload(url)
        assert (await bench.ended())["status"] == status


async def test_an_upload_that_a_power_cut_has_interrupted(tmp_path: Path) -> None:
    """It begins again after the restart; what lay around is cleared away."""
    store = open_store(tmp_path / "station.db")
    with serve_web(Web(hang=True)) as web:
        async with Bench(tmp_path / "files", store) as bench:
            bench.upload(web.url())
            assert await asyncio.to_thread(web.reached.wait, 10)
        assert store.rows()[JOB]["log-1"]["attempts"] == 1
        store.close()
        (tmp_path / "files" / "uploads" / "half").write_bytes(b"x")
        web.hang = False
        again = open_store(tmp_path / "station.db")
        async with Bench(tmp_path / "files", again) as bench:
            assert await bench.ended() == {"status": "Uploaded"}
        assert bench.left() == []
        assert JOB not in again.rows()
        again.close()


async def test_a_slow_upload_is_cancelled_at_once(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(hang=True)) as web:
            bench.upload(web.url())
            assert await asyncio.to_thread(web.reached.wait, 10)
            begin = time.monotonic()
            bench.jobs.cancel("log-1")
            done = await bench.reports.ended()
            assert time.monotonic() - begin < 5
    assert done.cancelled
    assert bench.left() == []


async def test_an_upload_that_is_cancelled_while_its_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N01.FR.12: its thread cannot be stopped, but when the job has ended nothing lies around."""
    slow = Slow(uploads.write)
    monkeypatch.setattr(uploads, "write", slow)
    async with Bench(tmp_path) as bench:
        bench.upload("http://127.0.0.1:9/")
        assert await asyncio.to_thread(slow.begun.wait, 10)
        bench.jobs.cancel("log-1")
        await turns()
        slow.go_on.set()
        assert (await bench.reports.ended()).cancelled
        assert slow.ended.is_set()
        assert bench.left() == []


async def test_no_room_for_the_log(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    bench = Bench(tmp_path / "files")
    bench.upload("http://localhost/")
    assert (await bench.ended())["status"] == "UploadFailure"
    await bench.jobs.close()
    await bench.work.close()


async def test_the_security_log_over_ftp(tmp_path: Path) -> None:
    room = tmp_path / "server"
    room.mkdir()
    async with Bench(tmp_path / "files") as bench:
        with serve_ftp(room) as port:
            bench.upload(f"ftp://us%20er:p%40ss%3A%2Fword@localhost:{port}/")
            assert await bench.ended() == {"status": "Uploaded"}
    assert (room / "CS-1_security.jsonl").read_bytes() == b""


# --- firmware ---------------------------------------------------------------------------------------------------------


async def test_a_signed_firmware(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(files={"/fw": CONTENT})) as web:
            bench.download(web.url("/fw"), certificate=SIGNER.pem, signature=sign())
            assert await bench.ended() == {"status": "SignatureVerified", "file": "fw-1.bin"}
        assert bench.progress() == ["Downloaded"]
        file = tmp_path / "firmware" / "fw-1.bin"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        # What a power cut between the end and the news of it makes of it: done already.
        bench.download("http://127.0.0.1:9/", certificate=SIGNER.pem, signature=sign())
        assert (await bench.ended())["status"] == "SignatureVerified"


async def test_a_firmware_that_somebody_has_changed(tmp_path: Path) -> None:
    """TC_L_06: nothing is left of it that could be installed."""
    async with Bench(tmp_path) as bench:
        with serve_web(Web(files={"/fw": CONTENT + b"!"})) as web:
            bench.download(web.url("/fw"), certificate=SIGNER.pem, signature=sign())
            result = await bench.ended()
    assert result["status"] == "InvalidSignature"
    assert bench.left() == []


async def test_an_unsigned_firmware(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(files={"/fw": CONTENT}, fail_first=1)) as web:
            bench.download(web.url("/fw"), retries=1)
            assert (await bench.ended())["status"] == "Downloaded"


async def test_downloads_that_fail(tmp_path: Path) -> None:
    async with Bench(tmp_path, most_bytes=100) as bench:
        with serve_web(Web(files={"/fw": CONTENT})) as web:
            bench.download(web.url("/none"), retries=1)
            assert (await bench.ended())["status"] == "DownloadFailed"
            bench.download(web.url("/fw"), retries=5, interval_s=60)
            result = await bench.ended()
    assert result["status"] == "DownloadFailed"
    assert "100" in result["info"]
    assert bench.left() == []


async def test_files_of_earlier_updates_go(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with serve_web(Web(files={"/fw": CONTENT})) as web:
            bench.download(web.url("/fw"), job="fw-1")
            await bench.ended()
            bench.download(web.url("/fw"), job="fw-2")
            await bench.ended()
        assert os.listdir(tmp_path / "firmware") == ["fw-2.bin"]
    async with Bench(tmp_path) as bench:  # nothing is under way
        assert bench.left() == []


async def test_a_download_that_takes_the_place_of_one_that_has_hardly_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L01.FR.24: the thread in which the first one clears the folder comes late, and must not clear away the second one's file."""
    slow = Slow(updates.private_folder)
    monkeypatch.setattr(updates, "private_folder", slow)
    async with Bench(tmp_path) as bench:
        with serve_web(Web(hang=True)) as slow_web, serve_web(Web(files={"/fw": CONTENT}, hold=True)) as web:
            bench.download(slow_web.url("/fw"), job="fw-1")
            assert await asyncio.to_thread(slow.begun.wait, 10)
            bench.jobs.cancel("fw-1")
            bench.download(web.url("/fw"), job="fw-2")
            await asyncio.to_thread(web.reached.wait, 0.5)  # it may, or may not, wait for the first one to end
            slow.go_on.set()
            assert await asyncio.to_thread(slow.ended.wait, 10)
            await asyncio.to_thread(web.reached.wait, 10)
            web.released.set()
            await bench.both_ended()
        first, second = (report for report in bench.reports if isinstance(report, JobDone))
        assert (first.job, first.cancelled) == ("fw-1", True)
        assert (second.job, second.result) == ("fw-2", {"status": "Downloaded", "file": "fw-2.bin"})
        assert bench.left() == ["firmware/fw-2.bin"]


async def test_a_file_that_somebody_else_has_just_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of a cancelled download removes its own file, at any time."""
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([*listed(folder), folder / "fw-0.bin.part"]))
    async with Bench(tmp_path) as bench:
        with serve_web(Web(files={"/fw": CONTENT})) as web:
            bench.download(web.url("/fw"))
            assert (await bench.ended())["status"] == "Downloaded"


async def test_installations(tmp_path: Path) -> None:
    installer = Recorder(Installation("Installed", reboot=True, version="2.0"))
    async with Bench(tmp_path, installer=installer) as bench:
        with serve_web(Web(files={"/fw": CONTENT})) as web:
            bench.download(web.url("/fw"))
            file = (await bench.ended())["file"]
        bench.jobs.start("i-1", INSTALL_JOB, {"file": file, "version": "1.0"})
        assert await bench.ended() == {"status": "Installed", "reboot": True, "version": "2.0"}
        assert installer.files == [CONTENT]
        installer.result = Installation("InstallVerificationFailed", info="no")
        bench.jobs.start("i-1", INSTALL_JOB, {"file": file, "version": "1.0"})
        assert await bench.ended() == {"status": "InstallVerificationFailed", "info": "no"}
        bench.jobs.start("i-1", INSTALL_JOB, {"file": "gone.bin", "version": "1.0"})
        assert (await bench.ended())["status"] == "InstallationFailed"


async def test_without_an_installer(tmp_path: Path) -> None:
    """Hardware whose updater nobody has written down: it says so."""
    result = await NoInstaller().install(tmp_path / "x")
    assert result.status == "InstallationFailed"
    assert "no installer" in result.info


# --- certificates -----------------------------------------------------------------------------------------------------


async def _checked(trust: FirmwareTrust, pem: str) -> Outcome:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    trust.check(pem, future.set_result)
    async with asyncio.timeout(10):
        outcome = await future
    await trust.close()
    return outcome


async def test_who_may_sign_firmware() -> None:
    """L01.FR.21, FR.22: by the manufacturer roots in the certificate store."""
    asked: list[CertificateUse] = []

    async def roots(use: CertificateUse) -> Any:
        asked.append(use)
        return (PKI.get("manufacturer/root").certificate,), ()

    async def broken(use: CertificateUse) -> Any:
        raise SecurityError("the store cannot be read")

    now = Now(0.0, time.time())
    assert (await _checked(FirmwareTrust(roots, lambda: now), SIGNER.pem)).status == "Accepted"
    assert asked == [CertificateUse.MANUFACTURER_ROOT]
    assert (await _checked(FirmwareTrust(no_roots, lambda: now), SIGNER.pem)).status == "InvalidCertificate"
    assert (await _checked(FirmwareTrust(broken, lambda: now), SIGNER.pem)).status == "InvalidCertificate"
    late = Now(0.0, time.time() + 40 * 366 * 86_400.0)
    assert (await _checked(FirmwareTrust(roots, lambda: late), SIGNER.pem)).status == "InvalidCertificate"
    unknown = Now(0.0, late.wall, trusted=False)
    assert (await _checked(FirmwareTrust(roots, lambda: unknown), SIGNER.pem)).status == "Accepted"


# --- trying again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "retries", "tries", "ends_well"),
    [
        ([], 0, 1, True),
        ([TransferError("x")], 0, 1, False),
        ([TransferError("x")] * 2, 2, 3, True),
        ([TransferError("x")] * 9, 2, 3, False),
        ([TransferError("x"), PermissionDeniedError("y")], 5, 2, False),
    ],
)
async def test_repeatedly(failures: list[TransferError], retries: int, tries: int, ends_well: bool) -> None:
    left, done = list(failures), 0

    async def work() -> None:
        nonlocal done
        done += 1
        if left:
            raise left.pop(0)

    error = await repeatedly(work, retries, 0.0, "work")
    assert (error is None) is ends_well
    assert done == tries


async def test_what_is_announced(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.model.members("OCPPCommCtrlr", "FileTransferProtocols") == ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")
    report: Callable[[], Awaitable[None]] = bench.work.close
    await report()
    assert not (tmp_path / "uploads").exists()  # nothing is made before it is needed
    assert json.dumps([r.job for r in bench.reports if isinstance(r, JobDone)]) == "[]"
