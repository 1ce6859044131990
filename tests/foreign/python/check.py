"""What the scripts share: where the servers are, what is expected, and how a difference is told."""

import json
import os
import pathlib
import sys

CONTRACT = os.environ["CONTRACT"]
BARE = os.environ["BARE"]
EXPECTED = {
    name: tuple(outcome)
    for name, outcome in json.loads(
        (pathlib.Path(__file__).parent.parent / "expected.json").read_text()
    ).items()
}

_checks = 0
_failures = 0


def equal(what, found, expected):
    global _checks, _failures
    _checks += 1
    if found != expected:
        _failures += 1
        print(f"FAILED {what}\n  found    {found!r:.2000}\n  expected {expected!r:.2000}")


def done(client):
    print(f"{client}: {_checks} checks, {_failures} failed")
    sys.exit(1 if _failures or not _checks else 0)
