"""Real Envoys, each configuration: counts the cases that keep the contract, and fails below the bounds."""

import os
import sys

from calls import call_problems
from cases import CASES
from envoys import Mesh, add_routes, made_bare
from outage import outage_problems
from streams import events_problems, websocket_problems
from upstream import Upstream
from wire import ask

LEAST = {"full": 51, "errors": 49}


def run_cases(port):
    """The problems of each case."""
    found = {}
    for case in CASES:
        if case.twice:
            ask(port, case.request, case.method)
        answer = ask(port, case.request, case.method)
        found[case.number] = (list(case.problems(answer)), answer)
    return found


def report(what, problems):
    problems = list(problems)
    print(f"  {what}: {'; '.join(problems) or 'well'}")
    return bool(problems)


def check_cases(name, port):
    found = run_cases(port)
    kept = [number for number, (problems, _) in found.items() if not problems]
    print(f"{name}: {len(kept)} of {len(CASES)} cases kept")
    if name == "bare":
        return bool(kept)
    failed = len(kept) < LEAST[name]
    for case in CASES:
        problems, answer = found[case.number]
        if problems:
            print(f"  {case.number} {case.name}: {'; '.join(problems)}")
            # A miss is one of status or of words, never of what a page may read.
            failed |= any(bad in problems for bad in ("secret", "nosniff", "cache-control"))
            failed |= not answer.all("access-control-allow-origin")
    return failed


def main():
    upstream, mesh = Upstream(), Mesh(os.environ["WORK"])
    failed = False
    with mesh.processor() as processor:
        for name in ("bare", "errors", "full"):
            port, configuration = mesh.configuration(name, upstream.port)
            if name == "bare":
                made_bare(configuration)
            add_routes(configuration)
            with mesh.envoy(name, port, configuration):
                failed |= check_cases(name, port)
                if name == "bare":
                    continue
                failed |= report("WebSocket", websocket_problems(port))
                failed |= report("server-sent events", events_problems(port))
                failed |= report("processor killed", outage_problems(mesh, processor, port))
    for name in ("errors", "full"):
        failed |= report(f"{name}: HTTP/2, gRPC, gRPC-Web", call_problems(name))
    return failed


sys.exit(main())
