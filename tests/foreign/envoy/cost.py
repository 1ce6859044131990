"""Medians of interleaved turns: bare Envoy, Envoy's own filters, and both configurations."""

import os
import re
import statistics
import subprocess
import sys
import time

from envoys import Mesh, free_port, made_bare, manager

TURNS = int(sys.argv[1]) if len(sys.argv) > 1 else 9
SECONDS, CONNECTIONS = 2, 16
LONGEST = 240  # seconds, for the memory of the processor
PATHS = {"200": "/ok", "404 text": "/text404"}
TICK = os.sysconf("SC_CLK_TCK")
CORS = "type.googleapis.com/envoy.extensions.filters.http.cors.v3"


def upstream():
    """An Envoy that answers by itself: faster than what is measured, and not counted."""
    port = free_port()
    routes = [
        {"match": {"path": "/text404"},
         "direct_response": {"status": 404, "body": {"inline_string": "There is no recording 7."}}},
        {"match": {"prefix": "/"},
         "direct_response": {"status": 200, "body": {"inline_string": "ok" * 50}}},
    ]
    return port, routes


def made_static(configuration):
    """What Envoy's own filter and formats give: CORS, and an envelope for its own replies."""
    made_bare(configuration)
    http = manager(configuration)
    http["http_filters"].insert(0, {"name": "cors", "typed_config": {"@type": f"{CORS}.Cors"}})
    origins = [{"exact": "https://app.example.com"}, {"exact": "https://admin.example.com"}]
    policy = {"@type": f"{CORS}.CorsPolicy", "allow_origin_string_match": origins,
              "allow_methods": "GET, POST, OPTIONS", "allow_headers": "Authorization, Origin",
              "allow_credentials": True}
    for host in http["route_config"]["virtual_hosts"]:
        host["typed_per_filter_config"] = {"cors": policy}
    members = {"http_method": "%REQ(:METHOD)%", "code": "%RESPONSE_CODE%", "uri": "%REQ(:PATH)%",
               "title": "%RESPONSE_CODE_DETAILS%", "description": "%LOCAL_REPLY_BODY%"}
    http["local_reply_config"] = {"body_format": {"json_format": members}}


def cpu(process):
    """Seconds of CPU that a process has used."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(process):
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def turn(port, path):
    """Requests of one turn."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", "Host: localhost:8080",
               "-H", "Origin: https://admin.example.com", f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(\d+) requests in", told)[1])


def main():
    mesh = Mesh(os.environ["WORK"], timeout="10s")
    upstream_port, routes = upstream()
    envoys, streams, memory = {}, 0, []
    with mesh.processor() as processor:
        port, configuration = mesh.configuration("full", 1)
        made_bare(configuration)
        manager(configuration)["route_config"]["virtual_hosts"][0]["routes"] = routes
        listener = configuration["static_resources"]["listeners"][0]
        listener["address"]["socket_address"]["port_value"] = upstream_port
        programs = [mesh.envoy("upstream", upstream_port, configuration)]
        for name in ("bare", "static", "errors", "full"):
            kind = "full" if name == "static" else name
            port, configuration = mesh.configuration(kind, upstream_port)
            if name in ("bare", "static"):
                {"bare": made_bare, "static": made_static}[name](configuration)
            envoys[name] = (mesh.envoy(f"cost-{name}", port, configuration), port)
            programs.append(envoys[name][0])
        found = {(name, what): [] for name in envoys for what in PATHS}
        try:
            for _ in range(TURNS):
                for (name, what), rows in found.items():
                    envoy, port = envoys[name]
                    before = cpu(envoy.process), cpu(processor.process)
                    requests = turn(port, PATHS[what])
                    after = cpu(envoy.process), cpu(processor.process)
                    used = [(b - a) / requests * 1e6 for a, b in zip(before, after)]
                    rows.append((requests / SECONDS, *used))
                    asked = name == "full" or (name == "errors" and what != "200")
                    streams += requests if asked else 0
                memory.append((streams, resident(processor.process)))
            # The processor's memory is told over 100,000 streams; a slow machine takes fewer.
            until = time.monotonic() + LONGEST
            while streams < 100_000 and time.monotonic() < until:
                streams += turn(envoys["full"][1], PATHS["200"])
            memory.append((streams, resident(processor.process)))
        finally:
            for program in programs:
                program.kill()
    print("| answer | configuration | requests/s | Envoy, CPU µs | processor, CPU µs | x bare |")
    print("|---|---|---|---|---|---|")
    for what in PATHS:
        bare = sum(median(found["bare", what])[1:])
        for name in envoys:
            rate, envoy, processor = median(found[name, what])
            times = (envoy + processor) / bare
            print(f"| {what} | {name} | {rate:.0f} | {envoy:.0f} | {processor:.0f} | {times:.2f} |")
    for count, size in (memory[0], memory[-1]):
        print(f"processor: {size} kB resident after {count} streams")


def median(rows):
    return [statistics.median(column) for column in zip(*rows)]


main()
