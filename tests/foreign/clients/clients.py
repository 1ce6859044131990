"""Asks through the guide's clients in Python, and compares what they say of each error."""

import base64
import os
import urllib.request

from client import ApiError, call, get

CONTRACT, FOREIGN = os.environ["CONTRACT"], os.environ["FOREIGN"]


def error_of(ask, request):
    """Status, code and text of the error."""
    try:
        ask(request)
    except ApiError as error:
        return error.status, error.code, str(error)
    raise AssertionError(f"no error: {request}")


def compare(is_said, expected):
    assert is_said == expected, f"{is_said} is not {expected}"


for ask in (call, get):
    url = f"{CONTRACT}/ping"
    assert b"pong" in (ask(url).read() if ask is call else ask(url).content)
    nowhere = error_of(ask, f"{CONTRACT}/nowhere")
    compare(nowhere, (404, 404, "No resource exists at this URI."))
    compare(error_of(ask, f"{CONTRACT}/diagnostics/panic")[:2], (500, 500))
    for path in ("html", "list", "empty"):
        compare(error_of(ask, f"{FOREIGN}/{path}"), (502, 502, "status 502"))

# Only an administrator changes the mode.
admin = "Basic " + base64.b64encode(b"admin:admin").decode()
headers = {"Content-Type": "application/json", "Authorization": admin}
mode = urllib.request.Request(f"{CONTRACT}/server/mode", b'{"mode":"something"}', headers, method="POST")
compare(error_of(call, mode)[:2], (400, 4020))
print("Python: urllib and requests read every error")
