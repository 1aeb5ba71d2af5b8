#!/usr/bin/env python3
"""Signs an event with an official library and delivers it as Svix does.

Prints the status and the body of the response. The exit code is 0 for 2xx, 1 for any other status, 2 for a usage error.
With `--lines` alone, makes one delivery for each line of standard input, which is a JSON array of these arguments."""

import argparse
import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone
from pathlib import Path

EVENT = Path(__file__).parent / "../../crates/clerk-webhook-test/fixtures/events/user.created.json"


def deliver(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("event", nargs="?", type=Path, default=EVENT, help="a file with an event as JSON")
    parser.add_argument("--secret", default=os.environ.get("CLERK_WEBHOOK_SIGNING_SECRET"), help="whsec_…")
    parser.add_argument("--old-secret", help="a second signing secret, as during a rotation")
    parser.add_argument("--library", choices=["svix", "standardwebhooks"], default="svix")
    parser.add_argument("--headers", choices=["svix", "webhook"], default="svix", help="the header family")
    parser.add_argument("--age", type=int, default=0, help="the age of the signature in seconds")
    parser.add_argument("--tamper", action="store_true", help="change the body after signing")
    options = parser.parse_args(arguments)
    if not options.secret:
        parser.error("set CLERK_WEBHOOK_SIGNING_SECRET or pass --secret")

    webhook = importlib.import_module(f"{options.library}.webhooks").Webhook
    body = bytearray(options.event.read_bytes())
    message_id = "msg_" + uuid.uuid4().hex[:27]
    seconds = int(time.time()) - options.age
    signed_at = datetime.fromtimestamp(seconds, tz=timezone.utc)
    secrets = [secret for secret in (options.secret, options.old_secret) if secret]
    signatures = [webhook(secret).sign(message_id, signed_at, body.decode()) for secret in secrets]
    if options.tamper:
        body[-3] ^= 1

    headers = {
        "content-type": "application/json",
        f"{options.headers}-id": message_id,
        f"{options.headers}-timestamp": str(seconds),
        f"{options.headers}-signature": " ".join(signatures),
    }
    request = urllib.request.Request(options.url, data=bytes(body), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    print(f"{status} {text.decode(errors='replace')}".strip())
    return 0 if 200 <= status < 300 else 1


def main() -> int:
    if sys.argv[1:] != ["--lines"]:
        return deliver(sys.argv[1:])
    for line in sys.stdin:
        deliver(json.loads(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
