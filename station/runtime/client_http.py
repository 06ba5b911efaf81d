"""A station's commands over HTTP, and its events as a text/event-stream. Standard library only."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from station.runtime.client_base import ClientError, refused
from station.runtime.control_types import Json

__all__ = ["HttpTransport"]

BASE = "/api/v1"
LONGEST_LINE = 1 << 24


class HttpTransport:
    """One connection for commands, which is opened again when the server has closed it, and one for events."""

    def __init__(self, url: str, *, token: str | None = None, ca_file: str | Path | None = None) -> None:
        """url: `http://host:port` or `https://host:port`. Raises ClientError."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ClientError(f"{url!r} is no address of a station: write http://host:port or https://host:port")
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._commands: http.client.HTTPConnection | None = None
        self._stream: _Stream | None = None

    def ask(self, name: str, arguments: Mapping[str, object], timeout_s: float | None) -> Json:
        body = json.dumps(dict(arguments)).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        if self._commands is None:
            self._commands = self._connection()
        connection = self._commands
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request("POST", f"{BASE}/do/{quote(name, safe='')}", body, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            # Not sent again: the command may have been carried out.
            connection.close()
            raise ClientError(f"{self._url} has not answered {name}: {error or type(error).__name__}") from error
        return {"ok": status == http.HTTPStatus.OK, **self._object(text, status)}

    def subscribe(self, topics: Sequence[str], timeout_s: float | None) -> None:
        """Replaces what was subscribed to before."""
        self._end_stream()
        connection = self._connection()
        connection.timeout = timeout_s
        try:
            connection.request("GET", f"{BASE}/events?topics={quote(','.join(topics))}", headers=self._headers)
            sock = connection.sock
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                problem = refused(self._object(answer.read(), answer.status))
                connection.close()
                raise problem
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ClientError(f"{self._url} tells no events: {error or type(error).__name__}") from error
        sock.settimeout(None)
        self._stream = _Stream(connection, sock, answer)

    def event(self, timeout_s: float | None) -> Json | None:
        if self._stream is None:
            raise ClientError("nothing is subscribed to")
        try:
            event = self._stream.events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if event is None:
            self._end_stream()
            raise ClientError(f"{self._url} has ended the events")
        return event

    def close(self) -> None:
        self._end_stream()
        if self._commands is not None:
            self._commands.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port)

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _object(self, text: bytes, status: int) -> Json:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ClientError(f"{self._url} answers {status} and no JSON object: is it a station?")
        return found


class _Stream:
    """Events as they arrive, read by a thread; None when there will be none any more."""

    def __init__(
        self, connection: http.client.HTTPConnection, sock: socket.socket, answer: http.client.HTTPResponse
    ) -> None:
        self.events: queue.Queue[Json | None] = queue.Queue()
        self._connection = connection
        self._socket = sock
        self._answer = answer
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._answer.close()
        self._connection.close()

    def _read(self) -> None:
        data: list[str] = []
        try:
            while line := self._answer.readline(LONGEST_LINE):
                text = line.decode().rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text.removeprefix("data:").removeprefix(" "))
                elif not text and data:
                    self.events.put(json.loads("\n".join(data)))
                    data.clear()
        except (OSError, ValueError, http.client.HTTPException):
            pass  # it ends here, whatever the reason
        finally:
            self.events.put(None)
