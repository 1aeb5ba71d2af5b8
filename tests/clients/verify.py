#!/usr/bin/env python3
"""Verifies deliveries with the official libraries svix and standardwebhooks.

Each line of standard input is {"name": "…", "secret": "whsec_…", "authentic": true, "headers": {…}, "body": "base64"}.
Prints a line for each unexpected verdict. The exit code is 0 without such a line, and 1 otherwise.

With --verdicts, the lines have "now", the time in milliseconds, instead of "authentic". Prints the names of the accepted
deliveries as {"library": [names]}."""

import base64
import json
import sys
from datetime import datetime, timedelta, timezone

import standardwebhooks.webhooks
import svix.webhooks


def with_svix(secret: str, body: bytes, headers: dict[str, str]) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


def with_standardwebhooks(secret: str, body: bytes, headers: dict[str, str]) -> None:
    # This library knows only the webhook-* names. The signed content is the same.
    renamed = {name.replace("svix-", "webhook-"): value for name, value in headers.items()}
    standardwebhooks.webhooks.Webhook(secret).verify(body, renamed)


class Clock(datetime):
    """The time of a delivery, for --verdicts."""

    time: datetime

    @classmethod
    def now(cls, tz: timezone | None = None) -> datetime:  # noqa: ARG003
        return cls.time


LIBRARIES = {"svix": with_svix, "standardwebhooks": with_standardwebhooks}


def main() -> int:
    prints_verdicts = "--verdicts" in sys.argv
    if prints_verdicts:
        # The library svix also verifies with this module.
        standardwebhooks.webhooks.datetime = Clock
    accepted: dict[str, list[str]] = {library: [] for library in LIBRARIES}
    counts = dict.fromkeys(LIBRARIES, 0)
    wrong = 0
    for line in sys.stdin:
        delivery = json.loads(line)
        body = base64.b64decode(delivery["body"])
        if prints_verdicts:
            Clock.time = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=delivery["now"])
        for library, verify in LIBRARIES.items():
            try:
                verify(delivery["secret"], body, delivery["headers"])
                verdict = "authentic"
                accepted[library].append(delivery["name"])
            except Exception as error:  # noqa: BLE001: any error is a rejection
                verdict = f"rejected: {error}"
            counts[library] += 1
            if not prints_verdicts and (verdict == "authentic") != delivery["authentic"]:
                print(f"{library}: {delivery['name']} is {verdict}")
                wrong += 1
    print(json.dumps(accepted) if prints_verdicts else ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
