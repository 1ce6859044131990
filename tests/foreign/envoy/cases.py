"""The 54 cases: a request, and what the contract makes of it, byte for byte."""

import json

from upstream import SECRET
from wire import request

APP, ADMIN = "https://app.example.com", "https://admin.example.com"
PUBLIC = "http://localhost:8080"
SENTENCES = {
    400: ("Bad Request", "The request is malformed or a parameter is missing or wrong."),
    401: ("Unauthorized", "Credentials are missing or incorrect."),
    403: ("Forbidden", "This operation is forbidden."),
    404: ("Not Found", "No resource exists at this URI."),
    405: ("Method Not Allowed", "This resource does not support the request method."),
    409: ("Conflict", "The request was not accepted."),
    416: ("Range Not Satisfiable", "The request was not accepted."),
    426: ("Upgrade Required", "The request was not accepted."),
    429: ("Too Many Requests", "Too many requests."),
    431: ("Request Header Fields Too Large", "The request was not accepted."),
    500: ("Internal Server Error", "The server met an unexpected condition."),
    501: ("Not Implemented", "The server does not know the request method."),
    503: ("Service Unavailable", "The service cannot process the request now."),
    504: ("Gateway Timeout", "The server could not complete the request."),
}


class Case:
    def __init__(self, number, name, sent, status, **expected):
        self.number, self.name, self.status = number, name, status
        self.method, target = (sent.split(" ", 1) + [""])[:2] if isinstance(sent, str) else ("", "")
        self.origin = expected.pop("origin", ADMIN)
        origins = expected.pop("origins", (ADMIN,))
        self.request = sent
        if isinstance(sent, str):
            extra = {key: expected.pop(key) for key in ("more", "content", "host") if key in expected}
            self.request = request(self.method, target, origins, **extra)
        self.method = expected.pop("method", self.method)
        self.uri = expected.pop("uri", PUBLIC + target.split("?")[0])
        self.title = expected.pop("title", None)
        self.description = expected.pop("description", None)
        self.code = expected.pop("code", status)
        self.body = expected.pop("body", None)
        self.headers = expected.pop("headers", {})
        self.twice = expected.pop("twice", False)
        self.broken = expected.pop("broken", False)
        assert not expected, expected

    def envelope(self):
        title, description = SENTENCES[self.status]
        members = {
            "http_method": self.method,
            "title": self.title or title,
            "description": self.description or description,
            "code": self.code,
            "uri": self.uri,
        }
        return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()

    def problems(self, answer):
        """What does not keep the contract: nothing, if all is well."""
        if answer.status != self.status:
            yield f"status {answer.status}"
        yield from cors_problems(answer, self.origin)
        if SECRET.encode() in answer.raw:
            yield "secret"
        for name, values in self.headers.items():
            if answer.all(name) != values:
                yield f"{name} {answer.all(name)}"
        if answer.whole == self.broken:
            yield "broken" if not self.broken else "whole"
        if self.status < 400:
            if self.body is not None and answer.content != self.body:
                yield f"body {answer.content[:40]}"
            return
        yield from error_head_problems(answer, self.method)
        if self.method == "HEAD":
            if answer.content or answer.all("content-length"):
                yield f"content {answer.all('content-length')}"
        elif answer.content != self.envelope():
            yield f"envelope {answer.content[:300].decode('latin-1')}"


def cors_problems(answer, origin):
    expected = {
        "access-control-allow-origin": origin,
        "access-control-allow-origins": origin,
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": "Authorization, Origin",
        "access-control-allow-credentials": "true",
    }
    lines = [(name, value) for name, value in answer.lines if name.startswith("access-control-")]
    if sorted(lines) != sorted(expected.items()):
        yield f"cors {lines}"
    if [value.lower() for value in answer.all("vary")] != ["origin"]:
        yield f"vary {answer.all('vary')}"


def error_head_problems(answer, method):
    if answer.all("content-type") != ["application/json"]:
        yield f"type {answer.all('content-type')}"
    if answer.all("x-content-type-options") != ["nosniff"]:
        yield "nosniff"
    if answer.all("cache-control") != ["no-store"]:
        yield "cache-control"
    if method != "HEAD" and answer.all("content-length") != [str(len(answer.content))]:
        yield f"length {answer.all('content-length')}"


def codec(number, name, sent, status):
    """Envoy's codec answers before any filter: the whole envelope, but nothing of the request."""
    return Case(number, name, sent, status, method="", uri=PUBLIC, origin=APP)


def raw(*lines, content=b""):
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


ALL = ["host: localhost:8080", "connection: close", f"origin: {ADMIN}"]
COOKIES = {"set-cookie": ["a=1", "b=2"], "etag": ['"v1"']}
ASKS = ["access-control-request-method: POST"]
ALLOWED = {"allow": ["GET, HEAD, OPTIONS"]}

CASES = [
    Case(1, "200, two cookies, etag", "GET /ok", 200, body=b"ok", headers=COOKIES),
    Case(2, "200, no Origin", "GET /ok", 200, origins=(), origin=APP, body=b"ok"),
    Case(3, "200, foreign Origin", "GET /ok", 200, origins=("https://x.example",), origin=APP),
    Case(4, "200, two Origin lines", "GET /ok", 200, origins=(ADMIN, APP), origin=APP),
    Case(5, "200, service's own CORS *", "GET /own-cors", 200, body=b"own"),
    Case(6, "204", "GET /204", 204),
    Case(7, "304", "GET /304", 304, headers={"etag": ['"v1"']}),
    Case(8, "200 stream of 3", "GET /stream", 200, body=b"onetwothree"),
    Case(9, "preflight", "OPTIONS /ok", 200, more=ASKS, body=b""),
    Case(10, "preflight, foreign origin", "OPTIONS /ok", 200, more=ASKS,
         origins=("https://x.example",), origin=APP, body=b""),
    Case(11, "plain OPTIONS", "OPTIONS /ok", 200, headers={"allow": ["GET, HEAD, POST, OPTIONS"]}),
    Case(12, "405 by the guard", "POST /only-get", 405, headers=ALLOWED),
    Case(13, "501 unknown method", "BREW /only-get", 501, headers=ALLOWED),
    Case(14, "golden", "POST /server/mode?x=1", 400, title="bad parameter", code=4020,
         description="bad parameter 'server mode' reason : server mode has not a correct value"
         " 'something'"),
    Case(15, "404 empty", "GET /empty404", 404),
    Case(16, "404 text", "GET /text404", 404, description="There is no recording 7."),
    Case(17, "404 foreign JSON", "GET /json404", 404),
    Case(18, "409 problem+json", "GET /problem409", 409, title="Busy", code=4091,
         description="It is being played."),
    Case(19, "404 HTML", "GET /html404", 404),
    Case(20, "404 gzip text", "GET /gzip404", 404, headers={"content-encoding": []}),
    Case(21, "404 text 100 kB", "GET /big404", 404),
    Case(22, "404 text 3 MB chunked", "GET /bigchunked404", 404),
    Case(23, "404 text that hangs", "GET /late404", 404),
    Case(24, "404 text that breaks", "GET /broken404", 404),
    Case(25, "500 HTML secret", "GET /html500", 500),
    Case(26, "500 text secret", "GET /text500", 500),
    Case(27, "500 that spoofs the marker", "GET /spoof", 500, headers={"x-contract-by": []}),
    Case(28, "401 two challenges", "GET /401", 401,
         headers={"www-authenticate": ['Basic realm="a"', 'Bearer realm="b"']}),
    Case(29, "503 Retry-After", "GET /503", 503, headers={"retry-after": ["7"]}),
    Case(30, "416", "GET /416", 416, headers={"content-range": ["bytes */10"]}),
    Case(31, "HEAD 200", "HEAD /ok", 200, headers=COOKIES | {"content-length": ["2"]}, body=b""),
    Case(32, "HEAD 404", "HEAD /text404", 404),
    Case(33, "HEAD 405?", "HEAD /server/mode", 405, headers={"allow": ["POST, OPTIONS"]}),
    Case(34, "refused upstream", "GET /refused", 503),
    Case(35, "upstream resets", "GET /reset", 503),
    Case(36, "Envoy's route timeout", "GET /hang-envoy", 504),
    Case(37, "our limit (1 s)", "GET /hang", 503),
    Case(38, "no route", "GET /ok", 404, host="elsewhere.example"),
    Case(39, "direct_response 403", "GET /direct403", 403, description="This zone is closed."),
    Case(40, "redirect 301", "GET /redirect", 301,
         headers={"location": ["http://localhost:8080/elsewhere"]}),
    Case(41, "rate limit 429 (2nd)", "GET /limited", 429, twice=True,
         description="local_rate_limited"),
    Case(42, "HEAD refused", "HEAD /refused", 503),
    Case(43, "5 MiB upload, 405", "POST /upload", 405, content=b"x" * (5 << 20), headers=ALLOWED),
    Case(44, "200 that breaks", "GET /broken200", 200, broken=True),
    codec(45, "headers 100 kB (431)", raw("GET /ok HTTP/1.1", *ALL, f"x: {'x' * 100_000}"), 431),
    codec(46, "malformed request line", raw("GET /ok HTTP/9.9 x", *ALL), 400),
    Case(47, "no Host", raw("GET /ok HTTP/1.1", *ALL[1:]), 400, method="GET", uri=PUBLIC + "/ok"),
    Case(48, "HTTP/1.0", raw("GET /ok HTTP/1.0", *ALL), 426, method="GET", uri=PUBLIC + "/ok"),
    codec(49, "bad chunk in upload",
          raw("POST /upload2 HTTP/1.1", *ALL, "transfer-encoding: chunked", content=b"zz\r\n"), 400),
    codec(50, "CL and TE both",
          raw("GET /ok HTTP/1.1", *ALL, "content-length: 3", "transfer-encoding: chunked",
              content=b"0\r\n\r\n"), 400),
    codec(51, "bad header name", raw("GET /ok HTTP/1.1", *ALL, "b@d name: x"), 400),
    Case(52, "OPTIONS *", "OPTIONS *", 404, uri=PUBLIC),
    Case(53, "path with //", "GET //evil.example/x", 404),
    Case(54, "path with ü and %2F", "GET /a%2Fb%C3%BC", 404),
]
