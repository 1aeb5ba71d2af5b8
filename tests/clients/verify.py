#!/usr/bin/env python3
"""Verifies deliveries with the official libraries svix and standardwebhooks.

Each line of standard input is {"name": "…", "secret": "whsec_…", "authentic": true, "headers": {…}, "body": "base64"}.
Prints a line for each unexpected verdict. The exit code is 0 without such a line, and 1 otherwise."""

import base64
import json
import sys

import standardwebhooks.webhooks
import svix.webhooks


def with_svix(secret: str, body: bytes, headers: dict[str, str]) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


def with_standardwebhooks(secret: str, body: bytes, headers: dict[str, str]) -> None:
    # This library knows only the webhook-* names. The signed content is the same.
    renamed = {name.replace("svix-", "webhook-"): value for name, value in headers.items()}
    standardwebhooks.webhooks.Webhook(secret).verify(body, renamed)


LIBRARIES = {"svix": with_svix, "standardwebhooks": with_standardwebhooks}


def main() -> int:
    counts = dict.fromkeys(LIBRARIES, 0)
    wrong = 0
    for line in sys.stdin:
        delivery = json.loads(line)
        body = base64.b64decode(delivery["body"])
        for library, verify in LIBRARIES.items():
            try:
                verify(delivery["secret"], body, delivery["headers"])
                verdict = "authentic"
            except Exception as error:  # noqa: BLE001: any error is a rejection
                verdict = f"rejected: {error}"
            counts[library] += 1
            if (verdict == "authentic") != delivery["authentic"]:
                print(f"{library}: {delivery['name']} is {verdict}")
                wrong += 1
    print(", ".join(f"{library} {count}" for library, count in counts.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
