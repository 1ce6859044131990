"""requests (HTTP/1.1), httpx (HTTP/2) and curl: the JSON side, and the bytes of the gRPC family."""

import base64
import json
import subprocess
import struct
import time

import check
import httpx
import requests

NOTHING = struct.pack(">BI", 0, 0)  # an empty message in gRPC's framing
MEMBERS = ["http_method", "title", "description", "code", "uri"]


def by_requests(method, url):
    answer = requests.request(method, url, timeout=30)
    return answer.status_code, dict(answer.headers), answer.content


def by_httpx(method, url):
    answer = h2.request(method, url)
    assert answer.http_version == "HTTP/2", answer.http_version
    return answer.status_code, dict(answer.headers), answer.content


def by_curl(method, url):
    """HTTP/2 with prior knowledge; `-i` prints the head first."""
    command = ["curl", "-sS", "-i", "--http2-prior-knowledge", "-m", "30", "-X", method, url]
    head, content = subprocess.run(command, capture_output=True, check=True).stdout.split(
        b"\r\n\r\n", 1
    )
    status, *lines = head.decode().split("\r\n")
    assert status.startswith("HTTP/2 "), status
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), content


def json_side(client, ask):
    healthy = ask("GET", f"{check.CONTRACT}/recordings?text=lea")
    bare = ask("GET", f"{check.BARE}/recordings?text=lea")
    check.equal(f"{client}: a healthy answer", (healthy[0], healthy[2]), (bare[0], bare[2]))
    own = {name: value for name, value in healthy[1].items() if not is_ours(name)}
    others = {name: value for name, value in bare[1].items() if not is_ours(name)}
    check.equal(f"{client}: its head", own, others)
    for method, path, status in [
        ("GET", "/nowhere", 404),
        ("GET", "/recordings/call-99", 404),
        ("DELETE", "/recordings", 405),
        ("FOO", "/recordings", 501),
    ]:
        found, headers, content = ask(method, check.CONTRACT + path)
        headers = {name.lower(): value for name, value in headers.items()}
        what = f"{client}: {method} {path}"
        check.equal(what, (found, headers["content-type"]), (status, "application/json"))
        check.equal(what, list(json.loads(content)), MEMBERS)
        check.equal(what, json.loads(content)["code"], status)
        check.equal(what, headers["access-control-allow-origin"], "http://localhost:3000")
        check.equal(what, headers["content-length"], str(len(content)))


def is_ours(name):
    return name.lower().startswith("access-control-") or name.lower() == "date"


def call(path, content_type, **headers):
    return h2.post(
        f"{check.CONTRACT}/{path}",
        content=base64.b64encode(NOTHING) if "-text" in content_type else NOTHING,
        headers={"content-type": content_type, "te": "trailers", **headers},
    )


def grpc_bytes():
    """No gRPC request is ever answered with a JSON body."""
    for name, (code, message) in check.EXPECTED.items():
        path = "nowhere" if name == "nowhere" else f"recordings.v1.Diagnostics/{name}"
        if name == "PanicInStream":
            continue  # httpx does not show trailers
        for content_type in ["application/grpc", "application/grpc+proto"]:
            answer = call(path, content_type)
            found = (answer.status_code, answer.headers["content-type"], answer.content)
            check.equal(f"{name} by {content_type}", found, (200, content_type, b""))
            check.equal(name, answer.headers["grpc-status"], str(code))
            check.equal(name, answer.headers["grpc-message"], message)
        frame = f"grpc-status:{code}\r\ngrpc-message:{message}\r\n".encode()
        frame = struct.pack(">BI", 0x80, len(frame)) + frame
        for content_type, body in [
            ("application/grpc-web+proto", frame),
            ("application/grpc-web-text", base64.b64encode(frame)),
        ]:
            answer = call(path, content_type)
            found = (answer.status_code, answer.headers["content-type"], answer.content)
            check.equal(f"{name} by {content_type}", found, (200, content_type, body))


def deadline():
    """The server keeps the client's deadline, even if the client does not."""
    start = time.monotonic()
    answer = call("recordings.v1.Diagnostics/Sleep", "application/grpc", **{"grpc-timeout": "300m"})
    waited = time.monotonic() - start
    found = (int(answer.headers["grpc-status"]), answer.headers["grpc-message"])
    check.equal("grpc-timeout", found, check.EXPECTED["Sleep"])
    check.equal(f"grpc-timeout ({waited:.1f} s)", 0.3 <= waited < 1.5, True)


with httpx.Client(http1=False, http2=True, timeout=30) as h2:
    json_side("requests", by_requests)
    json_side("httpx", by_httpx)
    json_side("curl", by_curl)
    grpc_bytes()
    deadline()
check.done("requests, httpx, curl")
