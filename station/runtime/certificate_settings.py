"""What the certificates of a station are managed with: folder, names, keys, and what of the gateway is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from station.clock import Now
from station.core.device_model import DeviceModel
from station.core.events import Event
from station.runtime.gateway import Listener
from station.security.api import KeyAlgorithm

if TYPE_CHECKING:
    from station.security.certstore import CertStore
    from station.security.pkcs11 import Pkcs11Settings

__all__ = ["CertificateSettings", "Core", "open_files", "opener"]


class Core(Protocol):
    """What of the gateway is needed."""

    @property
    def model(self) -> DeviceModel: ...
    def now(self) -> Now: ...
    def submit(self, event: Event) -> None: ...
    def listen(self, listener: Listener) -> None: ...


def open_files(folder: Path, limit: int) -> CertStore:
    """A store whose keys are files beside the certificates. For at most `limit` certificates."""
    from station.security.certstore import CertStore
    from station.security.filekeys import FileKeys

    return CertStore(folder, FileKeys(folder / "keys"), limit=limit)


def opener(token: Pkcs11Settings) -> Callable[[Path, int], CertStore]:
    """As `open_files`, for keys that are kept in a token."""

    def open_token(folder: Path, limit: int) -> CertStore:
        from station.security.certstore import CertStore
        from station.security.pkcs11 import Pkcs11Keys

        return CertStore(folder, Pkcs11Keys(token), limit=limit)

    return open_token


@dataclass(frozen=True, slots=True)
class CertificateSettings:
    """folder: of the store; made when it is first needed. common_name: of the station certificate (A00.FR.511: its serial number).

    algorithm: of the keys that we make. open_store: opens the store in a folder, for so many certificates; in a worker thread.
    """

    folder: Path
    common_name: str
    algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256
    open_store: Callable[[Path, int], CertStore] = open_files
