"""A request as bytes, and the whole answer."""

import socket


class Answer:
    """Status, header lines in their order, content; whether the message came whole."""

    def __init__(self, data, method="GET"):
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1]) if first.startswith("HTTP/1.1 ") else 0
        pairs = (line.partition(":") for line in lines)
        self.lines = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
        self.raw = data
        self.content, self.whole = rest, True
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return
        if self.all("transfer-encoding") == ["chunked"]:
            self.content, self.whole = unchunked(rest)
        elif length := self.all("content-length"):
            self.whole = len(rest) == int(length[0])

    def all(self, name):
        return [value for line, value in self.lines if line == name]


def unchunked(data):
    content = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found:
            return content, False
        length = int(size, 16)
        if length == 0:
            return content, True
        content, data = content + data[:length], data[length + 2 :]


def ask(port, request, method="GET", patience=8):
    """Sends the bytes and reads until the server closes; a late sender is not a problem."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            connection.sendall(request)
        except OSError:
            pass  # what was answered before is still there
        data = b""
        try:
            while piece := connection.recv(65536):
                data += piece
        except OSError:
            pass
    return Answer(data, method)


def request(method, path, origins=(), host="localhost:8080", more=(), content=b""):
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close"]
    lines += [f"origin: {origin}" for origin in origins] + list(more)
    if content:
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content
