"""A disk whose plug can be pulled: what files may look like after a power cut at any moment of a recorded run.

The recorder sits below SQLite, in the very library that the `sqlite3` module uses, as a VFS around the system's own
one: every write, truncation, sync, creation and deletion passes through it to the real file and into a log.
`image_at(point, seed)` then builds the directory as a disk may hold it when power fails after `point` entries of the
log:

- what was written before the file's last sync is there, whole;
- of what was written since, nothing is certain: seed 0 drops all of it, seed 1 keeps all of it, any other seed keeps
  a random choice of 512-byte sectors, in any order, and every third seed also fills one 4096-byte sector that was
  being written with noise, neighbours included (flash does that);
- a new or deleted name counts only after a sync of the directory; before that, seed 1 keeps all such changes, others
  a random few.

The log knows only what went through SQLite. Files renamed or copied by Python are not part of the picture.

    with PowerCut(directory) as power:
        store = SqliteStore.open(power.directory / "station.db", ...)
        store.commit(ops, lambda error: acknowledged.append(power.position))
        store.close()
    for point in power.cut_points():
        folder = power.image_at(point, seed=0, target=tmp_path / "cut")   # open folder / "station.db" and look
"""

from __future__ import annotations

import _sqlite3
import ctypes
import itertools
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

SECTOR = 512
DAMAGE = 4096  # what one interrupted flash write may spoil

_pointer = ctypes.c_void_p
_int = ctypes.c_int
_i64 = ctypes.c_int64

_CREATE = 0x4
_SYNCS_DIRECTORY = (
    0x800 | 0x4000 | 0x80000
)  # main journal, super journal, WAL: their first sync syncs the directory (os_unix.c)

_OPEN = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _pointer, _int, _pointer)
_DELETE = ctypes.CFUNCTYPE(_int, _pointer, ctypes.c_char_p, _int)
_CLOSE = ctypes.CFUNCTYPE(_int, _pointer)
_WRITE = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _int, _i64)
_TRUNCATE = ctypes.CFUNCTYPE(_int, _pointer, _i64)
_SYNC = ctypes.CFUNCTYPE(_int, _pointer, _int)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = [
        ("iVersion", _int),
        ("szOsFile", _int),
        ("mxPathname", _int),
        ("pNext", _pointer),
        ("zName", ctypes.c_char_p),
        ("pAppData", _pointer),
        ("xOpen", _OPEN),
        ("xDelete", _DELETE),
        ("rest", _pointer * 13),
    ]


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = [
        ("iVersion", _int),
        ("xClose", _CLOSE),
        ("xRead", _pointer),
        ("xWrite", _WRITE),
        ("xTruncate", _TRUNCATE),
        ("xSync", _SYNC),
        ("rest", _pointer * 13),
    ]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_Methods))]


@dataclass(slots=True)
class _Inode:
    """Content as of the last sync, and what was done to it since: (offset, bytes) or (size, None) for a truncation."""

    durable: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the log. verb: base, create, delete, dirsync, write, truncate, sync."""

    verb: str
    name: str = ""
    offset: int = 0
    data: bytes | None = None


class _Disk:
    """The state of the disk after a prefix of the log."""

    def __init__(self) -> None:
        self.position = 0
        self.names: dict[str, _Inode] = {}
        self.durable_names: dict[str, _Inode] = {}
        self.pending: list[tuple[str, _Inode | None]] = []

    def apply(self, entry: _Entry) -> None:
        self.position += 1
        match entry.verb:
            case "base":
                self.names[entry.name] = self.durable_names[entry.name] = _Inode(bytearray(entry.data or b""))
            case "create":
                self.names[entry.name] = inode = _Inode()
                self.pending.append((entry.name, inode))
            case "delete":
                self.names.pop(entry.name, None)
                self.pending.append((entry.name, None))
            case "dirsync":
                _rename(self.durable_names, self.pending)
                self.pending.clear()
            case "sync":
                inode = self.names[entry.name]
                for offset, data in inode.since:
                    _change(inode.durable, offset, data)
                inode.since.clear()
            case _:
                self.names[entry.name].since.append((entry.offset, entry.data))

    def files(self, seed: int) -> dict[str, bytes]:
        dice = random.Random(seed)
        names = dict(self.durable_names)
        kept = 0 if seed == 0 else len(self.pending) if seed == 1 else dice.randint(0, len(self.pending))
        _rename(names, self.pending[:kept])
        return {name: _content(inode, seed, dice) for name, inode in sorted(names.items())}


class PowerCut:
    """Records what SQLite does to the files in `directory` while it is entered; see the module's text.

    fault: called with ("write" | "truncate" | "sync", file name) before each such call; a result code other than 0
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC...) is what SQLite then sees instead.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.fault: Callable[[str, str], int] | None = None
        self._log: list[_Entry] = []
        self._known: set[str] = set()
        self._open_files: dict[int, str] = {}
        self._must_sync_directory: set[int] = set()
        self._tables: dict[int, _Methods] = {}
        self._originals: dict[int, _Methods] = {}
        self._disk = _Disk()
        self._library = ctypes.CDLL(_sqlite3.__file__)
        self._library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        self._library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), _int]
        self._library.sqlite3_vfs_unregister.argtypes = [ctypes.POINTER(_Vfs)]
        self._system = self._library.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._system.contents)
        self._vfs.zName = b"powercut"
        self._vfs.xOpen = _OPEN(self._open)
        self._vfs.xDelete = _DELETE(self._delete)
        self._hooks = (_CLOSE(self._close), _WRITE(self._write), _TRUNCATE(self._truncate), _SYNC(self._sync))

    def __enter__(self) -> PowerCut:
        """From now on new connections of this process go through the recorder."""
        assert not self._library.sqlite3_vfs_find(b"powercut"), "one recorder at a time"
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Connections opened meanwhile must be closed by now."""
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        self._library.sqlite3_vfs_register(self._system, 1)
        assert kind is not None or not self._open_files, "a connection is still open"

    @property
    def position(self) -> int:
        """Entries of the log so far: note it when something is acknowledged. Grows only."""
        return len(self._log)

    def cut_points(self, *, every_write: bool = False) -> list[int]:
        """Positions worth a cut: just before and just after every sync of a file or directory; or every position
        there is.
        """
        if every_write:
            return list(range(len(self._log) + 1))
        points = {0, len(self._log)}
        for index, entry in enumerate(self._log):
            if entry.verb in ("sync", "dirsync"):
                points |= {index, index + 1}
        return sorted(points)

    def image_at(self, point: int, seed: int, target: Path | None = None) -> Path:
        """The directory as a cut after `point` log entries may leave it (default: beside `directory`, replaced every
        time).
        """
        if target is None:
            target = self.directory.with_name(f"{self.directory.name}-cut")
        if self._disk.position > point:
            self._disk = _Disk()
        for entry in self._log[self._disk.position : point]:
            self._disk.apply(entry)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name, content in self._disk.files(seed).items():
            (target / name).write_bytes(content)
        return target

    # What SQLite calls. An exception in here would vanish in ctypes, so there is nothing that may raise on purpose.

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = Path(ctypes.string_at(name).decode()) if name else None
        ours = path is not None and path.parent == self.directory
        before = path.read_bytes() if ours and path and path.exists() and path.name not in self._known else None
        existed = path is not None and path.exists()
        code = int(self._system.contents.xOpen(ctypes.cast(self._system, _pointer), name, file, flags, out))
        if code == 0 and ours and path is not None:
            if before is not None:
                self._log.append(_Entry("base", path.name, data=before))
            elif not existed:
                self._log.append(_Entry("create", path.name))
            self._known.add(path.name)
            self._open_files[file] = path.name
            if flags & _CREATE and flags & _SYNCS_DIRECTORY:
                self._must_sync_directory.add(file)
            self._intercept(file)
        return code

    def _intercept(self, file: int) -> None:
        handle = ctypes.cast(file, ctypes.POINTER(_File)).contents
        address = ctypes.addressof(handle.methods.contents)
        if address not in self._tables:
            table = _Methods.from_buffer_copy(handle.methods.contents)
            table.xClose, table.xWrite, table.xTruncate, table.xSync = self._hooks
            self._tables[address] = table
        self._originals[file] = _Methods.from_address(address)
        handle.methods = ctypes.pointer(self._tables[address])

    def _delete(self, vfs: int, name: bytes, sync_directory: int) -> int:
        code = int(self._system.contents.xDelete(ctypes.cast(self._system, _pointer), name, sync_directory))
        path = Path(name.decode())
        if code == 0 and path.parent == self.directory:
            self._log.append(_Entry("delete", path.name))
            if sync_directory & 1:
                self._log.append(_Entry("dirsync"))
        return code

    def _close(self, file: int) -> int:
        self._open_files.pop(file)
        self._must_sync_directory.discard(file)
        return int(self._originals.pop(file).xClose(file))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        name = self._open_files[file]
        if self.fault is not None and (code := self.fault("write", name)):
            return code
        code = int(self._originals[file].xWrite(file, data, size, offset))
        if code == 0:
            self._log.append(_Entry("write", name, offset, ctypes.string_at(data, size)))
        return code

    def _truncate(self, file: int, size: int) -> int:
        name = self._open_files[file]
        if self.fault is not None and (code := self.fault("truncate", name)):
            return code
        code = int(self._originals[file].xTruncate(file, size))
        if code == 0:
            self._log.append(_Entry("truncate", name, size))
        return code

    def _sync(self, file: int, flags: int) -> int:
        name = self._open_files[file]
        if self.fault is not None and (code := self.fault("sync", name)):
            return code
        code = int(self._originals[file].xSync(file, flags))
        if code == 0:
            self._log.append(_Entry("sync", name))
            if file in self._must_sync_directory:
                self._must_sync_directory.discard(file)
                self._log.append(_Entry("dirsync"))
        return code


def _rename(names: dict[str, _Inode], changes: list[tuple[str, _Inode | None]]) -> None:
    for name, inode in changes:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _content(inode: _Inode, seed: int, dice: random.Random) -> bytes:
    content = bytearray(inode.durable)
    if seed == 0 or not inode.since:
        return bytes(content)
    if seed == 1:
        for offset, data in inode.since:
            _change(content, offset, data)
        return bytes(content)
    share = dice.choice((0.1, 0.5, 0.9))
    for offset, data in inode.since:
        if data is None:
            if dice.random() < share:
                _change(content, offset, None)
            continue
        for start, end in _sectors(offset, len(data)):
            if dice.random() < share:
                _change(content, start, data[start - offset : end - offset])
    writes = [(offset, data) for offset, data in inode.since if data]
    if seed % 3 == 2 and writes:
        offset, data = dice.choice(writes)
        start = dice.randrange(offset, offset + len(data)) // DAMAGE * DAMAGE
        _change(content, start, dice.randbytes(min(DAMAGE, max(0, len(content) - start))))
    return bytes(content)


def _sectors(offset: int, size: int) -> list[tuple[int, int]]:
    """The parts of a write, cut at sector boundaries."""
    edges = [offset, *range((offset // SECTOR + 1) * SECTOR, offset + size, SECTOR), offset + size]
    return list(itertools.pairwise(edges))
