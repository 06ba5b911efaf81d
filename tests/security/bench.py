"""What the tests of `station.security` share: one test PKI per process, and real TLS handshakes on 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from station.security.testpki import TestPki

NOW = time.time()  # OpenSSL looks at the system's clock, so the certificates must suit it
DAY = 86_400.0


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="pilotwire-pki-")


def close() -> None:
    """For a program that ends by itself: nothing is left to be cleaned up."""
    _folder().cleanup()


@cache
def pki() -> TestPki:
    """Made once per test process: its certificates are made as tests ask for them."""
    return TestPki(NOW, Path(_folder().name))


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> OSError | None:
    """One connection from client to server, one byte each way. What the client met, None when all went well.

    The server has a thread and blocking sockets: asyncio's ends a failed handshake without the alert that other servers send.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one, args=(listener, server))
        thread.start()
        try:
            async with asyncio.timeout(20):
                port = listener.getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
                try:
                    writer.write(b"x")
                    await reader.readexactly(1)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except OSError as error:
            return error
        except asyncio.IncompleteReadError:
            return ConnectionResetError("closed without a word")
        finally:
            await asyncio.to_thread(thread.join, 20)
    return None


def serve_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer one client, or refuse it so that it hears why: an unread byte would turn the alert into a reset."""
    listener.settimeout(20)
    with suppress(OSError):
        raw, _ = listener.accept()
        raw.settimeout(20)
        with raw, socket.socket(fileno=os.dup(raw.fileno())) as same:
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    connection.sendall(connection.recv(1))
            except OSError:
                same.shutdown(socket.SHUT_WR)
                while same.recv(1000):
                    continue
