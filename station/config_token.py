"""Whether the token that a configuration gives for keys can be there: [security] pkcs11_*. Opens no token: `station check` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from station.config_read import Found
from station.config_toml import Key, Report
from station.store.private import readable_by_others

if TYPE_CHECKING:
    from station.config import SecuritySettings

__all__ = ["check_token"]

MODULE, TOKEN, PIN_FILE, PIN_ENV = "pkcs11_module", "pkcs11_token", "pkcs11_pin_file", "pkcs11_pin_env"


def check_token(security: Found[SecuritySettings], report: Report, environ: Mapping[str, str]) -> None:
    """The driver is there, the token has a name, and there is one PIN, which is never told."""
    if not security.given(MODULE):
        for name in (TOKEN, PIN_FILE, PIN_ENV):
            if security.given(name):
                report.problem(
                    _key(name), f"is of no use without {MODULE}", "name the token's driver, a shared library"
                )
        return
    module = security.get(MODULE)
    if module is not None and not Path(module).is_file():
        report.problem(_key(MODULE), f"there is no file {module}", "install the token's driver or correct the name")
    if not security.given(TOKEN):
        report.problem(_key(TOKEN), f"is missing beside {MODULE}", "write the token's label")
    sources = [name for name in (PIN_FILE, PIN_ENV) if security.given(name)]
    if not sources:
        report.problem(_key(PIN_FILE), f"is missing beside {MODULE}", f"put the PIN into a file, or use {PIN_ENV}")
    elif len(sources) > 1:
        report.problem(_key(PIN_ENV), f"the PIN is given by {PIN_FILE} already", "keep one of them")
    elif security.get(PIN_FILE) is not None:
        _check_file(Path(security.get(PIN_FILE)), report)
    elif security.get(PIN_ENV) is not None and not environ.get(security.get(PIN_ENV)):
        report.problem(
            _key(PIN_ENV),
            f"the environment variable {security.get(PIN_ENV)} is not set",
            "set it in the service's environment",
        )


def _check_file(file: Path, report: Report) -> None:
    key = _key(PIN_FILE)
    if not file.is_file():
        report.problem(key, f"there is no file {file}", "create it or correct the name")
        return
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        report.problem(key, f"cannot read {file}: {reason}", "give it to the user that runs the station")
        return
    if not lines or not lines[0].strip():
        report.problem(key, f"the first line of {file} is empty", "put the PIN there")
    if readable_by_others(file):
        report.warn(key, f"others than its owner may read {file}", f"chmod 600 {file}")


def _key(name: str) -> Key:
    return ("security", name)
