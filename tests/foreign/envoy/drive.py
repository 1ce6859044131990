"""Real Envoys, each configuration: counts the cases that keep the contract, and fails below the bounds."""

import os
import sys

from cases import CASES, cors_problems
from envoys import Mesh, add_routes, made_bare
from upstream import SECRET, Upstream
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


def main():
    work = os.environ["WORK"]
    verbose = "-v" in sys.argv
    upstream = Upstream()
    mesh = Mesh(work)
    failed = False
    with mesh.processor():
        for name in ("bare", "errors", "full"):
            port, configuration = mesh.configuration(name, upstream.port)
            if name == "bare":
                made_bare(configuration)
            add_routes(configuration)
            with mesh.envoy(name, port, configuration):
                found = run_cases(port)
            kept = [number for number, (problems, _) in found.items() if not problems]
            print(f"{name}: {len(kept)} of {len(CASES)} cases kept")
            if name == "bare":
                continue
            for case in CASES:
                problems, answer = found[case.number]
                if problems:
                    print(f"  {case.number} {case.name}: {'; '.join(problems)}")
                    if verbose:
                        print(answer.raw[:1500].decode("latin-1"))
            failed |= len(kept) < LEAST[name]
    return failed


sys.exit(main())
