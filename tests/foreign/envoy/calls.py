"""HTTP/2, gRPC and gRPC-Web through Envoy, in front of the example recording_grpc without a contract."""

import json
import os
import subprocess

from cases import ADMIN, PUBLIC, SENTENCES
from envoys import Mesh, Program, free_port, listening

GRPC = "application/grpc"
WEB = "application/grpc-web+proto"
EMPTY = b"\0\0\0\0\0"  # one message without a field


def curl(port, path, *more, content=None, content_type=None):
    """Status, header lines with the trailers, content: over HTTP/2 without TLS."""
    work = os.environ["WORK"]
    command = ["curl", "-s", "--http2-prior-knowledge", "--max-time", "8", "-D", f"{work}/head"]
    command += ["-H", f"origin: {ADMIN}", "-H", "te: trailers"]
    if content_type:
        command += ["-X", "POST", "-H", f"content-type: {content_type}", "--data-binary", "@-"]
    command += [*more, f"http://127.0.0.1:{port}{path}"]
    for _ in range(20):
        sent = subprocess.run(command, input=content, capture_output=True).stdout
        with open(f"{work}/head") as file:
            head = file.read().splitlines()
        # Envoy ends a stream whose content is still on its way with NO_ERROR (RFC 9113, 8.1); this
        # curl then forgets the answer. Bare Envoy is the same.
        if head:
            break
    status, *lines = head
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return int(status.split(" ")[1]), headers, sent


def call_problems(name):
    mesh = Mesh(os.environ["WORK"], with_methods=False)
    upstream = free_port()
    command = [os.environ["GRPC_SERVER"], "--listen", f"127.0.0.1:{upstream}", "--bare", "--diagnostics"]
    server = Program(f"{mesh.work}/grpc.log", *command)
    with server, mesh.processor():
        listening(upstream)
        port, configuration = mesh.configuration(name, upstream, "--upstream-http2")
        with mesh.envoy(f"{name}-calls", port, configuration):
            yield from problems(port, server)


def problems(port, server):
    def fails(what, answer, status, code=None, content=None):
        found, headers, sent = answer
        if headers.get("access-control-allow-origin") != ADMIN:
            yield f"{what}: cors {headers}"
        if found != status or (code is not None and headers.get("grpc-status") != code):
            yield f"{what}: {found} {headers}"
        if content is not None and sent != content:
            yield f"{what}: content {sent}"
        if any(leak in str(answer) for leak in ("127.0.0.1", "reset", "upstream", "delayed")):
            yield f"{what}: leaks {answer}"

    search = "/recordings.v1.Recordings/Search"
    yield from fails("HTTP/2, 200", curl(port, "/recordings"), 200)
    title, description = SENTENCES[404]
    error = {"http_method": "GET", "title": title, "description": description, "code": 404,
             "uri": f"{PUBLIC}/nowhere"}
    envelope = json.dumps(error, separators=(",", ":")).encode()
    yield from fails("HTTP/2, 404", curl(port, "/nowhere"), 404, content=envelope)
    answer = curl(port, search, content=EMPTY, content_type=GRPC)
    yield from fails("gRPC, healthy", answer, 200, "0")
    if b"call-04" not in answer[2]:
        yield f"gRPC, healthy: content {answer[2]}"
    answer = curl(port, "/nowhere", content=EMPTY, content_type=GRPC)
    yield from fails("gRPC, no such service", answer, 200, "12", b"")
    answer = curl(port, "/recordings.v1.Diagnostics/Sleep", content=EMPTY, content_type=GRPC)
    yield from fails("gRPC, the limit", answer, 200, "4", b"")
    message = b"grpc-status:12\r\ngrpc-message:The service does not support this operation.\r\n"
    frame = b"\x80" + len(message).to_bytes(4, "big") + message
    answer = curl(port, "/nowhere", content=EMPTY, content_type=WEB)
    yield from fails("gRPC-Web, no such service", answer, 200, "12", frame)
    server.kill()
    answer = curl(port, search, content=EMPTY, content_type=GRPC)
    yield from fails("gRPC, refused upstream", answer, 200, "14", b"")
