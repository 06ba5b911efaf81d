"""Files over HTTP and HTTPS, with the standard library's client in a worker thread."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urljoin

from station import __version__
from station.runtime.transfers import (
    CHUNK,
    BadMessageError,
    NotSupportedError,
    PermissionDeniedError,
    Place,
    Sink,
    Tools,
    TransferError,
    connect,
    parse_place,
    secure,
)

MOST_REDIRECTS = 5
_BOUNDARY = "pilotwire-8f3a1c5e7b9d2046"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_SUCH_METHOD = frozenset({405, 501})
_AGENT = f"Pilotwire/{__version__}"


def upload(place: Place, source: Path, filename: str, tools: Tools) -> None:
    """PUT; a server that has no PUT gets a POST (N01.FR.18: a CSMS should take both)."""
    size = source.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": f'attachment; filename="{filename}"'}
    status = _send(place, "PUT", _with_name(place.target, filename), _pieces(source, tools), size, headers, tools)
    if status in _NO_SUCH_METHOD:
        # N01.FR.19: the two attributes are those of the one part of the form.
        head, tail = _form(filename)
        body = _around(head, _pieces(source, tools), tail)
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        status = _send(place, "POST", place.target, body, size + len(head) + len(tail), headers, tools)
    _judge(status)


def _with_name(target: str, filename: str) -> str:
    """An address that ends with a slash is a folder."""
    path, mark, query = target.partition("?")
    return path + (quote(filename) if path.endswith("/") else "") + mark + query


def _form(filename: str) -> tuple[bytes, bytes]:
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="uploadfile"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


def _pieces(source: Path, tools: Tools) -> Iterator[bytes]:
    with source.open("rb") as stream:
        while piece := stream.read(CHUNK):
            tools.stop.check()
            yield piece


def _around(head: bytes, pieces: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from pieces
    yield tail


def _send(
    place: Place,
    method: str,
    target: str,
    body: Iterable[bytes],
    size: int,
    headers: Mapping[str, str],
    tools: Tools,
) -> int:
    """Returns the status. A server may answer and close before it has read everything: that answer counts."""
    connection = _connect(place, tools)
    try:
        broken: OSError | None = None
        try:
            connection.request(
                method, target, body, {**_identify(place), **headers, "Content-Length": str(size)}, encode_chunked=False
            )
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error
        try:
            response = connection.getresponse()
        except (http.client.HTTPException, OSError):
            if broken is not None:
                raise broken from None
            raise
        return response.status
    except http.client.HTTPException as error:
        raise TransferError(f"the server does not answer in HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def download(place: Place, sink: Sink, tools: Tools) -> None:
    """GET, following redirects; a password is told to nobody but the host that it is for."""
    for _ in range(MOST_REDIRECTS + 1):
        elsewhere = _get(place, sink, tools)
        if elsewhere is None:
            return
        after = parse_place(urljoin(f"{place.named}{place.target}", elsewhere))
        if after.scheme not in {"http", "https"} or (place.scheme == "https" and after.scheme == "http"):
            raise PermissionDeniedError("the server redirects to an address that is less safe")
        place = after
    raise TransferError(f"more than {MOST_REDIRECTS} redirects")


def _get(place: Place, sink: Sink, tools: Tools) -> str | None:
    """The address to try next, None when the file is here."""
    connection = _connect(place, tools)
    try:
        connection.request("GET", place.target, headers=_identify(place))
        response = connection.getresponse()
        if response.status in _REDIRECTS and response.headers.get("Location"):
            return str(response.headers["Location"])
        _judge(response.status)
        if response.length is not None:
            sink.expect(response.length)
        while piece := response.read(CHUNK):
            tools.stop.check()
            sink.write(piece)
        if response.length:
            raise TransferError(f"the file ended {response.length} bytes too early")
    except http.client.IncompleteRead:
        raise TransferError("the file ended too early") from None
    except http.client.HTTPException as error:
        raise TransferError(f"the server does not answer in HTTP ({type(error).__name__})") from None
    finally:
        connection.close()
    return None


def _connect(place: Place, tools: Tools) -> http.client.HTTPConnection:
    line = connect(place.host, place.port, tools)
    if place.scheme == "https":
        line = secure(line, place.host, tools, tools.tls())
    connection = http.client.HTTPConnection(place.host, place.port, blocksize=CHUNK)
    connection.sock = line
    return connection


def _identify(place: Place) -> dict[str, str]:
    headers = {"User-Agent": _AGENT, "Connection": "close"}
    if place.user is not None:
        pair = f"{place.user}:{place.password or ''}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def _judge(status: int) -> None:
    """Raises TransferError unless the server was content."""
    if 200 <= status < 300:
        return
    words = f"HTTP status {status} ({http.client.responses.get(status, 'unknown')})"
    if status in {401, 403, 407}:
        raise PermissionDeniedError(words)
    if status in _NO_SUCH_METHOD:
        raise NotSupportedError(words)
    if status in {400, 411, 412, 413, 414, 415, 422, 431}:
        raise BadMessageError(words)
    if status in _REDIRECTS:
        raise TransferError(f"{words}: give the address that it redirects to")
    raise TransferError(words)
