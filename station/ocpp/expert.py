"""What a technician may do past the station's own logic: send a CALL or any text, ask the schemas, set 1.6 keys that are read-only.

What is sent here is unknown to the rest of the client: its answer is seen, and changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from station.core.events import VariableWrite
from station.errors import ControlError, Problem
from station.ocpp.schemas import Schemas
from station.runtime.control_host import KeyPicture

if TYPE_CHECKING:
    from station.ocpp.client import OcppClient
    from station.ocpp.conversation import Conversation

__all__ = ["Expert"]

RAW = "sent by hand"


class Expert:
    """Over the client of a running station, whose friend it is."""

    __slots__ = ("_client",)

    def __init__(self, client: OcppClient) -> None:
        self._client = client

    # --- the wire -----------------------------------------------------------------------------------------------------

    def send_call(self, action: str, payload: Mapping[str, Any]) -> str:
        """Send a valid CALL of the version spoken now; returns its id. Raises ControlError: no link, not valid."""
        talk = self._talk()
        schemas = Schemas.for_version(talk.dialect.version)
        if action not in schemas.actions:
            near = difflib.get_close_matches(action, schemas.actions, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise _invalid("action", f"is no message of OCPP {schemas.version}{hint}")
        problem = schemas.request(action).problem(dict(payload))
        if problem is not None:
            raise _invalid("payload", f"is not a valid {action} of OCPP {schemas.version}: {problem}")
        call_id = self._client._ids()
        talk.put(orjson.dumps([2, call_id, action, dict(payload)]).decode(), action, "call")
        return call_id

    def send_text(self, text: str) -> None:
        """Send anything. Raises ControlError without a link."""
        self._talk().put(text, None, RAW)

    def _talk(self) -> Conversation:
        talk = self._client._talk
        if talk is None:
            raise ControlError("conflict", [Problem("", "there is no connection to the CSMS now")])
        return talk

    def complaint(self, kind: str, action: str, payload: Any) -> str | None:
        """What the schema says against a CALL or CALLRESULT of the version spoken now; None when nothing, or without a link."""
        version = self._client.version
        if version is None:
            return None
        schemas = Schemas.for_version(version)
        if action not in schemas.actions:
            return f"OCPP {version} has no {action}" if kind == "CALL" else None
        problem = (schemas.request(action) if kind == "CALL" else schemas.response(action)).problem(payload)
        return None if problem is None else str(problem)

    # --- keys of 1.6 --------------------------------------------------------------------------------------------------

    def key_rows(self) -> Sequence[KeyPicture]:
        """Every configuration key of 1.6, whether 1.6 is spoken or not."""
        from station.ocpp.v16.keys import all_settings

        found = all_settings(self._client._gateway.model, self._client._settings.dialect)
        return [KeyPicture(row.key.name, row.value, row.read_only) for row in found]

    def key_writes(self, name: str, value: str) -> tuple[VariableWrite, ...]:
        """What setting a key means, for a technician. Raises ControlError: no such key, no value of it, worked out."""
        from station.ocpp.v16.keys import TABLE, look_up, wire_value

        model, settings = self._client._gateway.model, self._client._settings.dialect
        setting = look_up(name, model, settings)
        if setting is None:
            near = difflib.get_close_matches(name, [key.name for key in TABLE], n=1)
            raise _invalid("key", "is no key of this station" + (f"; did you mean {near[0]}?" if near else ""))
        if setting.definition is None:
            raise _invalid("key", f"{setting.key.name} cannot be set: the station works it out from its other settings")
        text = wire_value(setting, value, settings)
        if text is None:
            raise _invalid("value", f"is no value of {setting.key.name}, as OCPP 1.6 chapter 9 describes it")
        key = setting.key
        write = VariableWrite(key.component, key.variable, text, variable_instance=key.instance)
        return (write, *(key.joint.writes(text, model) if key.joint is not None else ()))


def _invalid(field: str, problem: str) -> ControlError:
    return ControlError("invalid", [Problem(field, problem)])
