"""The processor and Envoys of each configuration, with the routes that the cases need."""

import copy
import json
import os
import signal
import socket
import subprocess
import time

OPTIONS = [
    "--server-url", "https://app.example.com",
    "--server-url", "https://admin.example.com",
    "--public-url", "http://localhost:8080",
]
METHODS = "/only-get GET\n/upload GET\n/server/mode POST\n/{*rest} GET POST\n"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
RATE_LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listening(port, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Program:
    """A process with a log of its own; ended when the block ends."""

    def __init__(self, log, *command):
        self.log, self.command = log, command
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Mesh:
    """What is started once: a processor, and the means to start Envoys beside it."""

    def __init__(self, work, timeout="1s", with_methods=True):
        self.work, self.port = work, free_port()
        self.program = os.environ["PROCESSOR"]
        self.options = [*OPTIONS, "--timeout", timeout, "--listen", f"127.0.0.1:{self.port}"]
        if with_methods:
            methods = os.path.join(work, "methods.txt")
            with open(methods, "w") as file:
                file.write(METHODS)
            self.options += ["--methods", methods]

    def processor(self):
        program = Program(f"{self.work}/processor.log", self.program, *self.options)
        listening(self.port)
        return program

    def configuration(self, name, upstream, *more):
        port = free_port()
        command = [self.program, *self.options, "print-config", "full" if name == "bare" else name]
        command += ["--upstream", f"127.0.0.1:{upstream}", "--envoy-listen", f"127.0.0.1:{port}"]
        printed = subprocess.run([*command, *more], capture_output=True, check=True, text=True)
        return port, json.loads(printed.stdout)

    def envoy(self, name, port, configuration):
        file = f"{self.work}/{name}.json"
        with open(file, "w") as out:
            json.dump(configuration, out)
        arguments = ["-c", file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]
        program = Program(f"{self.work}/{name}.log", os.environ["ENVOY"], *arguments)
        listening(port)
        return program


def manager(configuration):
    listener = configuration["static_resources"]["listeners"][0]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def made_bare(configuration):
    """The same Envoy without the contract: the control."""
    http = manager(configuration)
    http["http_filters"] = [f for f in http["http_filters"] if f["name"] != "contract"]
    del http["local_reply_config"]


def add_routes(configuration):
    """Adds what the cases ask Envoy itself for, beside every route that is there."""
    http = manager(configuration)
    host = http["route_config"]["virtual_hosts"][0]
    host["domains"] = ["localhost:8080"]
    forwards = [r for r in host["routes"] if r["match"].get("prefix") == "/" and "route" in r]
    added = []
    for forward in forwards:
        def route(path, **does):
            route = {k: v for k, v in copy.deepcopy(forward).items() if k != "route"} | does
            route["match"] = {"path": path} | {
                k: v for k, v in forward["match"].items() if k == "headers"
            }
            added.append(route)

        body = {"inline_string": "This zone is closed."}
        route("/refused", route={"cluster": "refused"})
        route("/hang-envoy", route={"cluster": "upstream", "timeout": "0.3s"})
        route("/direct403", direct_response={"status": 403, "body": body})
        route("/redirect", redirect={"path_redirect": "/elsewhere"})
        route("/limited", route=forward["route"], typed_per_filter_config={"limit": limit(1)})
    host["routes"] = added + host["routes"]
    http["http_filters"].insert(-1, {"name": "limit", "typed_config": limit(None)})
    clusters = configuration["static_resources"]["clusters"]
    refused = {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}
    clusters.append({
        "name": "refused",
        "load_assignment": {
            "cluster_name": "refused",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": refused}}]}],
        },
    })


def limit(tokens):
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {"@type": RATE_LIMIT, "stat_prefix": "limit"}
    if tokens:
        bucket = {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": "600s"}
        limit |= {"token_bucket": bucket, "filter_enabled": always, "filter_enforced": always}
    return limit
