"""Answers 502 as an intermediary might: /html, /list (JSON that is no object), /empty."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "/html": ("text/html", b"<h1>Bad Gateway</h1>"),
    "/list": ("application/json", b"[1, 2]"),
    "/empty": ("text/plain", b""),
}


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, content = ANSWERS[self.path]
        self.send_response(502)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
