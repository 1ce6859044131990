"""Python's own clients and curl, against the server beside: how many answers are heard.

    clients.py TIMES CERTIFICATE NAME URL ..

A line for each client, and one for each cell of the table in which an answer was missed: then it
exits 1.
"""

import http.client
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

EARLY = [
    ("POST", "/nowhere", 404),
    ("PUT", "/ok", 405),
    ("POST", "/401", 401),
    ("POST", "/413", 413),
    ("POST", "/panic", 500),
]
SIZES = [20, 200_000, 5 * 1024 * 1024]
PATIENCE = 20


def connect(url, trusted):
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)
    if parts.scheme == "https":
        sock = trusted.wrap_socket(sock, server_hostname=parts.hostname)
    return sock


def head(method, path, *fields):
    lines = [f"{method} {path} HTTP/1.1", "host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


def read_answer(sock):
    """The status, and whether the connection lives."""
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    answer.read()
    return answer.status, not answer.will_close


def raw(url, trusted, method, path, body):
    """Writes all before it reads."""
    with connect(url, trusted) as sock:
        sock.sendall(head(method, path, f"content-length: {len(body)}") + body)
        status, lives = read_answer(sock)
        if lives:
            sock.sendall(head("GET", "/ok"))
            assert read_answer(sock)[0] == 200
        return status


class HttpClient:
    """One that keeps its connection, and asks again on it."""

    def __init__(self):
        self.kept = {}

    def __call__(self, url, trusted, method, path, body):
        parts = urlsplit(url)
        if url not in self.kept:
            options = {"timeout": PATIENCE}
            if parts.scheme == "https":
                kind = http.client.HTTPSConnection
                options["context"] = trusted
            else:
                kind = http.client.HTTPConnection
            self.kept[url] = kind(parts.hostname, parts.port, **options)
        connection = self.kept[url]
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            connection.request("GET", "/ok")
            following = connection.getresponse()
            following.read()
            assert following.status == 200
        except Exception:
            connection.close()
            raise
        return answer.status


def urllib_request(url, trusted, method, path, body):
    request = urllib.request.Request(url + path, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=trusted) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def each(client, times, url, trusted, method, path, status, body):
    heard, missed = 0, set()
    for _ in range(times):
        try:
            heard += client(url, trusted, method, path, body) == status
        except Exception as error:
            missed.add(type(error).__name__)
    return heard, " ".join(sorted(missed))


def curl(*options):
    """As many requests in one process, each on the connection of the one before."""

    def asked(times, url, certificate, method, path, status, body):
        with tempfile.NamedTemporaryFile() as content:
            content.write(body)
            content.flush()
            command = ["curl", "-s", "--cacert", certificate, "-X", method, *options]
            command += ["--data-binary", f"@{content.name}", "-o", "/dev/null"]
            command += ["-w", "%{http_code}\\n", "--max-time", "60", f"{url}{path}?[1-{times}]"]
            out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return out.split().count(str(status)), ""

    return asked


def stalls(url, trusted):
    """How long a client waits that announces more than it sends."""
    begun = time.monotonic()
    with connect(url, trusted) as sock:
        sock.sendall(head("POST", "/nowhere", "content-length: 100000") + b"begun")
        assert read_answer(sock) == (404, False)
    return time.monotonic() - begun


def endless(url, trusted):
    """How much an endless sender sends, and for how long."""
    begun, sent, block = time.monotonic(), 0, b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with connect(url, trusted) as sock:
        sock.sendall(head("POST", "/nowhere", "transfer-encoding: chunked"))
        try:
            while time.monotonic() - begun < PATIENCE:
                sock.sendall(block)
                sent += len(block)
        except OSError:
            return sent, time.monotonic() - begun
    raise AssertionError("an endless sender was never ended")


def main():
    times, certificate, *servers = sys.argv[1:]
    times, trusted, missed = int(times), ssl.create_default_context(cafile=certificate), 0
    python = {"raw": raw, "http.client": HttpClient(), "urllib": urllib_request}
    curls = {"curl": curl(), "curl-expect": curl("-H", "Expect: 100-continue")}
    curls["curl-no-expect"] = curl("-H", "Expect:")
    for name, url in zip(servers[::2], servers[1::2]):
        total = dict.fromkeys([*python, *curls], 0)
        for method, path, status in EARLY:
            for size in SIZES:
                body = b"x" * size
                cells = {
                    client: each(ask, times, url, trusted, method, path, status, body)
                    for client, ask in python.items()
                }
                for client, ask in curls.items():
                    cells[client] = ask(times, url, certificate, method, path, status, body)
                for client, (heard, why) in cells.items():
                    total[client] += heard
                    if heard < times:
                        missed += 1
                        print(f"{name} {client} {status} {size} B: {heard}/{times} {why}".rstrip())
        for client, heard in total.items():
            print(f"{name} {client}: {heard}/{times * len(EARLY) * len(SIZES)}")
        try:
            waited = min(stalls(url, trusted) for _ in range(5))
        except AssertionError:
            missed += 1
            print(f"{name} stalling: it is not told that the connection ends")
            continue
        sent, after = endless(url, trusted)
        print(f"{name} stalling: {waited:.3f} s; endless: {sent / 2**20:.1f} MiB, {after:.1f} s")
        missed += waited > 0.6
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
