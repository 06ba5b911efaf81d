"""A real PKCS#11 token in a folder: SoftHSM of Debian (softhsm2). What is missing skips the test, in CI fails it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.tools.needs import find_tool, missing

PIN = "471182-secret"
LABEL = "station"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftToken:
    """module: the driver. configuration: for the environment variable SOFTHSM2_CONF, which the driver reads once per process."""

    module: str
    configuration: Path

    @property
    def environ(self) -> dict[str, str]:
        """For a program that uses the token."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}


def make_token(folder: Path) -> SoftToken:
    """An initialised token with the label `LABEL` and the PIN `PIN`."""
    util = find_tool("softhsm2-util")
    module = next((path for path in MODULES if Path(path).is_file()), None)
    if module is None:
        missing("SoftHSM's library", "apt-get install softhsm2")
    if importlib.util.find_spec("pkcs11") is None:
        missing("the package python-pkcs11", "pip install '.[pkcs11]'")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    token = SoftToken(module, configuration)
    arguments = [util, "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]
    subprocess.run(arguments, check=True, capture_output=True, env=token.environ)
    return token


def find_engine() -> None:
    """OpenSSL's engine pkcs11; without it the test ends."""
    if not any(Path("/usr/lib").glob("*/engines-3/pkcs11.so")):
        missing("OpenSSL's engine pkcs11", "apt-get install libengine-pkcs11-openssl")
