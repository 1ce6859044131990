"""The service behind Envoy: answers, and breaks, as each path says. Raw sockets, HTTP/1.1."""

import base64
import gzip
import hashlib
import re
import socket
import struct
import threading
import time

SECRET = "s3cr3t-stack-trace"
GOLDEN = (
    '{"error":{"http_method":"PUT","title":"bad parameter","description":"bad parameter \'server mode\''
    " reason : server mode has not a correct value 'something'\",\"code\":4020,\"uri\":\"/elsewhere\"}}"
)
OWN_CORS = (
    "access-control-allow-origin: *\r\naccess-control-allow-methods: *\r\n"
    "access-control-max-age: 9\r\naccess-control-expose-headers: x\r\n"
)


def whole(status, content, content_type="text/plain", more=""):
    content = content.encode() if isinstance(content, str) else content
    kind = f"content-type: {content_type}\r\n" if content_type else ""
    head = f"HTTP/1.1 {status} X\r\n{kind}{more}content-length: {len(content)}\r\n\r\n"
    return head.encode() + content


ANSWERS = {
    "/ok": whole(200, "ok", more='set-cookie: a=1\r\nset-cookie: b=2\r\netag: "v1"\r\n'),
    "/own-cors": whole(200, "own", more=OWN_CORS),
    "/204": b"HTTP/1.1 204 X\r\n\r\n",
    "/304": b'HTTP/1.1 304 X\r\netag: "v1"\r\n\r\n',
    "/server/mode": whole(400, GOLDEN, "application/json"),
    "/text404": whole(404, "There is no recording 7."),
    "/json404": whole(404, '{"message":"nope"}', "application/json"),
    "/problem409": whole(
        409, '{"title":"Busy","detail":"It is being played.","code":4091}', "application/problem+json"
    ),
    "/html404": whole(404, f"<html>{SECRET}</html>", "text/html"),
    "/gzip404": whole(404, gzip.compress(b"packed"), more="content-encoding: gzip\r\n"),
    "/big404": whole(404, "x" * 100_000),
    "/html500": whole(500, f"<html>{SECRET}</html>", "text/html"),
    "/text500": whole(500, SECRET),
    "/spoof": whole(500, SECRET, more="x-contract-by: envoy\r\naccess-control-allow-origins: *\r\n"),
    "/401": whole(
        401, "", None, 'www-authenticate: Basic realm="a"\r\nwww-authenticate: Bearer realm="b"\r\n'
    ),
    "/503": whole(503, SECRET, more="retry-after: 7\r\n"),
    "/416": whole(416, "", None, "content-range: bytes */10\r\n"),
}
CHUNKED = "HTTP/1.1 {} X\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Upstream:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            try:
                while self.answer(connection, reader):
                    pass
            except (OSError, ValueError):
                pass

    def answer(self, connection, reader):
        """One request. Whether the connection lives on."""
        first = reader.readline()
        if not first:
            return False
        method, target, _ = first.decode().split(" ", 2)
        headers = {}
        while (line := reader.readline().rstrip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        reader.read(int(headers.get("content-length", 0)))
        if headers.get("transfer-encoding"):
            while size := int(reader.readline(), 16):
                reader.read(size + 2)
            reader.readline()
        path = target.split("?")[0]
        odd = getattr(self, "on" + re.sub(r"\W", "_", path), None)
        if odd:
            return odd(connection, headers)
        answer = ANSWERS.get(path, whole(404, "", None))
        head, _, content = answer.partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n" + (b"" if method == "HEAD" else content))
        return True

    def on_stream(self, connection, _):
        connection.sendall(CHUNKED.format(200, "text/plain").encode())
        for piece in (b"one", b"two", b"three"):
            connection.sendall(chunk(piece))
            time.sleep(0.05)
        connection.sendall(b"0\r\n\r\n")
        return True

    def on_events(self, connection, _):
        connection.sendall(CHUNKED.format(200, "text/event-stream").encode())
        for number in range(7):
            connection.sendall(chunk(f"data: {number}\n\n".encode()))
            time.sleep(0.3)
        connection.sendall(b"0\r\n\r\n")
        return True

    def on_bigchunked404(self, connection, _):
        connection.sendall(CHUNKED.format(404, "text/plain").encode())
        for _ in range(48):
            connection.sendall(chunk(b"x" * 65536))
        connection.sendall(b"0\r\n\r\n")
        return True

    def on_late404(self, connection, _):
        connection.sendall(whole(404, "x" * 50)[:-40])
        time.sleep(4)

    def on_broken404(self, connection, _):
        connection.sendall(whole(404, "x" * 50)[:-40])
        time.sleep(0.1)
        reset(connection)

    def on_broken200(self, connection, _):
        connection.sendall(whole(200, "x" * 50)[:-40])
        time.sleep(0.1)
        reset(connection)

    def on_reset(self, connection, _):
        reset(connection)

    def on_hang(self, connection, _):
        time.sleep(4)

    on_hang_envoy = on_hang

    def on_ws(self, connection, headers):
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        connection.sendall(
            "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            f"sec-websocket-accept: {accept}\r\n\r\n".encode()
        )
        while data := connection.recv(4096):
            connection.sendall(data)


class Reset(OSError):
    """The connection ends with RST, when the reader is closed too."""


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Reset
