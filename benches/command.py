#!/usr/bin/env python3
"""Measures the `clerk-webhook` command: its startup, one `trigger`, and the throughput of `scenario`.

Builds the command and the example for Axum with optimization, serves the example on a free loopback port, and prints
tables. Times are medians over the rounds. In each round, every contestant runs once.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = ROOT / "crates/clerk-webhook-test/fixtures/events/user.created.json"


def build():
    packages = ["--package=clerk-webhook-cli", "--package=example-axum"]
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--release", *packages], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    return str(target / "clerk-webhook"), str(target / "example-axum")


def serve(program):
    environment = os.environ | {"CLERK_WEBHOOK_SIGNING_SECRET": SECRET, "PORT": "0", "RUST_LOG": "error"}
    server = subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env=environment)
    for line in server.stdout:
        if line.startswith("listening on "):
            log = tempfile.TemporaryFile()
            # Drains the log, so that a full pipe does not block the server.
            subprocess.Popen(["cat"], stdin=server.stdout, stdout=log)
            return server, line.removeprefix("listening on ").strip()
    sys.exit("the Axum example did not start")


def milliseconds(work):
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def run(*command):
    """Runs a command with as little Python overhead as possible."""
    null = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
    process = os.posix_spawn(command[0], command, os.environ, file_actions=null)
    _, status = os.waitpid(process, 0)
    if status != 0:
        sys.exit(f"{command} ended with exit code {os.waitstatus_to_exitcode(status)}")


def deliver(url, body):
    """Sends a delivery over a new connection, as the command does."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    message, now = "msg_benchmark", str(int(time.time()))
    mac = hmac.digest(key, f"{message}.{now}.".encode() + body, hashlib.sha256)
    headers = {
        "content-type": "application/json",
        "svix-id": message,
        "svix-timestamp": now,
        "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    connection = http.client.HTTPConnection(url.hostname, url.port)
    connection.request("POST", url.path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"the example answered {answer.status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="rounds of the single commands (default: 200)")
    parser.add_argument("--events", type=int, default=50_000, help="number of events in the scenario (default: 50,000)")
    options = parser.parse_args()

    command, example = build()
    server, to = serve(example)
    os.environ["CLERK_WEBHOOK_SIGNING_SECRET"] = SECRET
    url, body = urllib.parse.urlsplit(to), EVENT.read_bytes()
    contestants = {
        "`/bin/true`": lambda: run("/bin/true"),
        "`clerk-webhook --version`": lambda: run(command, "--version"),
        "`clerk-webhook events user.created`": lambda: run(command, "events", "user.created"),
        "the same delivery from Python": lambda: deliver(url, body),
        "`clerk-webhook trigger user.created`": lambda: run(command, "trigger", "user.created", "--to", to),
    }
    try:
        times = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, work in contestants.items():
                times[name].append(milliseconds(work))
        print("| command | ms |\n|---|--:|")
        for name, taken in times.items():
            print(f"| {name} | {statistics.median(taken):.1f} |")

        print("\n| `scenario all` against the example, connections | deliveries | deliveries per second |\n|---|--:|--:|")
        for connections in (1, 8, 32):
            arguments = ["--json", "scenario", "all", "--seed", "7", "--events", str(options.events), "--to", to]
            arguments += ["--concurrency", str(connections)]
            begin = time.perf_counter()
            output = subprocess.run([command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
            seconds = time.perf_counter() - begin
            summary = json.loads(output.splitlines()[-1])
            count = summary["messages"]
            if summary["outcomes"].get("200", 0) + summary["outcomes"].get("processed", 0) != count:
                sys.exit(f"not every delivery was answered with 200: {summary}")
            print(f"| {connections} | {count:,} | {count / seconds:,.0f} |")
    finally:
        server.kill()


if __name__ == "__main__":
    main()
