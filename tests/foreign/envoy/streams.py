"""What must pass undelayed: a WebSocket's frames and a server's events, past the limit of 1 s."""

import base64
import os
import socket
import time

from cases import ADMIN, cors_problems
from wire import Answer, request

ALLOWED_DELAY = 0.25


def head_of(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    head, _, rest = data.partition(b"\r\n\r\n")
    return Answer(head + b"\r\n\r\n"), rest


def websocket_problems(port):
    key = base64.b64encode(os.urandom(16)).decode()
    asks = ["upgrade: websocket", "sec-websocket-version: 13", f"sec-websocket-key: {key}"]
    sent = request("GET", "/ws", [ADMIN], more=asks).replace(b"connection: close", b"connection: upgrade")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(sent)
        answer, _ = head_of(connection)
        if answer.status != 101:
            yield f"status {answer.status}"
            return
        yield from cors_problems(answer, ADMIN)
        for number in range(5):
            frame = b"\x81\x82\0\0\0\0" + f"{number:02}".encode()
            began = time.monotonic()
            connection.sendall(frame)
            echo = connection.recv(4096)
            delay = time.monotonic() - began
            if echo != frame or delay > ALLOWED_DELAY:
                yield f"frame {number}: {echo} after {delay:.3f} s"
            time.sleep(0.3)


def events_problems(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request("GET", "/events", [ADMIN]))
        answer, rest = head_of(connection)
        yield from cors_problems(answer, ADMIN)
        began = time.monotonic()
        for number in range(7):
            event = f"data: {number}\n\n".encode()
            while event not in rest:
                piece = connection.recv(4096)
                if not piece:
                    yield f"the stream ended before event {number}"
                    return
                rest += piece
            late = time.monotonic() - began - 0.3 * number
            if late > ALLOWED_DELAY:
                yield f"event {number} came {late:.3f} s late"
