"""The processor is killed under load: no answer is raw. Restarted: the next request is right."""

import threading
import time

from cases import CASES, PUBLIC, Case
from envoys import listening
from wire import ask

HEALTHY = next(case for case in CASES if case.number == 1)
ERROR = next(case for case in CASES if case.number == 16)
SECRET = next(case for case in CASES if case.number == 26)


def down(case):
    """What is told while the processor is away."""
    return Case(case.number, case.name, f"GET {case.uri.removeprefix(PUBLIC)}", 503)


def outage_problems(mesh, processor, port):
    found, counts, stop = [], {}, threading.Event()

    def load(case):
        away = down(case)
        while not stop.is_set():
            answer = ask(port, case.request)
            right, gone = list(case.problems(answer)), list(away.problems(answer))
            if right and gone:
                found.append(f"{case.name}: {answer.status} {right} {gone}")
            counts[answer.status] = counts.get(answer.status, 0) + 1

    threads = [threading.Thread(target=load, args=(case,)) for case in (HEALTHY, ERROR, SECRET) * 4]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    processor.kill()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    yield from found[:5]
    if 503 not in counts or 404 not in counts:
        yield f"the kill did not fall into the load: {counts}"
    processor.start()
    listening(mesh.port)
    # Envoy may still wait before it connects again.
    for _ in range(40):
        if not list(ERROR.problems(ask(port, ERROR.request))):
            break
        time.sleep(0.25)
    for case in (HEALTHY, ERROR, SECRET):
        for problem in case.problems(ask(port, case.request)):
            yield f"after the restart, {case.name}: {problem}"
