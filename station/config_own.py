"""Settings of what a station keeps for itself: keys and certificates, files on their way, its control socket."""

from __future__ import annotations

from dataclasses import dataclass

from station.config_fields import Integer, Text, setting
from station.security.api import KeyAlgorithm

__all__ = ["FILE", "ControlSettings", "FilesSettings", "SecuritySettings"]

FILE = Text(4096, what="a file name")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Certificates that the CSMS installs, and keys that the station makes for itself. certs/README.md describes the folder."""

    directory: str | None = setting(
        FILE,
        "Folder of the certificate store, for its owner only, made when it is first needed; without it, `certificates` beside the "
        "database.",
        default=None,
        example="/var/lib/pilotwire/certificates",
    )
    key_algorithm: str = setting(
        Text(choices=tuple(algorithm.value for algorithm in KeyAlgorithm)),
        "Kind of the keys that the station makes; RSA takes a small computer up to a minute.",
        default=KeyAlgorithm.EC_P256.value,
    )
    pkcs11_module: str | None = setting(
        FILE,
        "PKCS#11 driver of a token (TPM, secure element, HSM), a shared library: our keys are made and kept in the token. Without it "
        "keys are files in `directory`.",
        default=None,
        example="/usr/lib/aarch64-linux-gnu/libtpm2_pkcs11.so.1",
    )
    pkcs11_token: str | None = setting(
        Text(32), "Label of the token; needed with `pkcs11_module`.", default=None, example="station"
    )
    pkcs11_pin_file: str | None = setting(
        FILE,
        "File whose first line is the token's PIN. Give it in one of two ways.",
        default=None,
        example="/etc/pilotwire/pin",
    )
    pkcs11_pin_env: str | None = setting(
        Text(64, r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
        "Environment variable that holds the token's PIN.",
        default=None,
        example="STATION_PKCS11_PIN",
    )


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """Logs that the CSMS asks for and firmware that it sends, on their way."""

    directory: str | None = setting(
        FILE,
        "Folder for them, for its owner only, made when it is first needed; without it, `files` beside the database.",
        default=None,
        example="/var/lib/pilotwire/files",
    )
    max_download_mb: int = setting(
        Integer(1, 1_048_576),
        "Largest firmware that is downloaded, in MiB; the disk must have room for it.",
        default=512,
    )


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """How the station is controlled from its own machine: `station ctl`, and whatever speaks JSON lines."""

    socket: str | None = setting(
        FILE,
        "Unix socket to listen at, for its owner and root only; without it there is none. Its directory must be there: in a "
        "systemd unit by RuntimeDirectory=pilotwire.",
        default=None,
        example="/run/pilotwire/control.sock",
    )
