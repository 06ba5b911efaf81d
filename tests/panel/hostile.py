"""A CSMS whose texts are markup and scripts: what a stranger may send. The panel must show them as texts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.sync.server import Server, ServerConnection, serve

SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'
NOW = "2026-11-22T12:00:00Z"


@dataclass
class HostileCsms:
    """`port` once it listens. `heard` are the messages that stations sent."""

    port: int = 0
    heard: list[str] = field(default_factory=list)

    def talk(self, connection: ServerConnection) -> None:
        for text in connection:
            _kind, call_id, action, _payload = [*json.loads(text), None, None][:4]
            self.heard.append(str(action))
            if action == "BootNotification":
                info = {"reasonCode": "Fine", "additionalInfo": SCRIPT}
                answer: object = {"status": "Accepted", "currentTime": NOW, "interval": 300, "statusInfo": info}
                connection.send(json.dumps([3, call_id, answer]))
                attack = {"vendorId": SCRIPT, "messageId": "</pre><b>", "data": SCRIPT}
                connection.send(json.dumps([2, f"x{SCRIPT}", "DataTransfer", attack]))
                connection.send(f"no JSON at all {SCRIPT}")
            elif action == "Authorize":
                connection.send(json.dumps([3, call_id, {"idTokenInfo": {"status": "Accepted"}}]))
            elif action in {"StatusNotification", "TransactionEvent", "SecurityEventNotification"}:
                connection.send(json.dumps([3, call_id, {}]))
            elif isinstance(action, str):
                connection.send(json.dumps([4, call_id, "NotImplemented", SCRIPT, {"why": SCRIPT}]))


@contextmanager
def hostile_csms() -> Iterator[HostileCsms]:
    csms = HostileCsms()
    server: Server = serve(csms.talk, "127.0.0.1", 0, subprotocols=["ocpp2.0.1"])  # type: ignore[list-item]
    csms.port = server.socket.getsockname()[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield csms
    finally:
        server.shutdown()
        thread.join(5)
