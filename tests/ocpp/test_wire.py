"""The generated types: up to date, complete, and not needed at run time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args, is_typeddict

import pytest

from station.ocpp.schemas import Schemas
from station.ocpp.wire import v16, v201
from station.ocpp.wire.generate import main, render


def test_check_finds_no_drift() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "station.ocpp.wire.generate", "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_check_finds_drift_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--into", str(tmp_path)]) == 0
    assert main(["--check", "--into", str(tmp_path)]) == 0
    path = tmp_path / "v16.py"
    path.write_text("# edited\n")
    assert main(["--check", "--into", str(tmp_path)]) == 1
    assert path.read_text() == "# edited\n"
    assert "out of date: v16.py" in capsys.readouterr().out
    assert main(["--into", str(tmp_path)]) == 0
    assert path.read_text() == render("1.6")


@pytest.mark.parametrize(("module", "version"), [(v16, "1.6"), (v201, "2.0.1")])
def test_every_message_has_its_types(module: object, version: str) -> None:
    for action in Schemas.for_version(version).actions:
        assert is_typeddict(getattr(module, f"{action}Request"))
        assert is_typeddict(getattr(module, f"{action}Response"))


def test_names_and_words_are_those_on_the_wire() -> None:
    annotations = v201.TransactionEventRequest.__annotations__
    assert "transactionInfo" in annotations
    assert "NotRequired" in str(annotations["meterValue"])
    assert "NotRequired" not in str(annotations["seqNo"])
    assert "SoftReset" in get_args(v16.StopTransactionRequestReason)
    assert get_args(v201.ResetEnumType) == ("Immediate", "OnIdle")


def test_nobody_loads_them_at_run_time() -> None:
    code = (
        "import sys, station.ocpp.rpc, station.ocpp.link;"
        "print([m for m in sys.modules if m.startswith('station.ocpp.wire')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
