#!/usr/bin/env bash
# Checks the files of this folder without a container engine, a cluster or systemd:
#   bash packaging/check.sh target/debug/clerk-webhook
# A line that begins with "skipped" names a check whose tool is missing.
set -euo pipefail
command=$(realpath "${1:?Name the clerk-webhook command, with the serve feature.}")
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

if command -v systemd-analyze >/dev/null; then
    # The unit names the place of an installation.
    sed "s#/usr/local/bin/clerk-webhook#$command#" clerk-webhook.service >"$scratch/clerk-webhook.service"
    cp clerk-webhook.socket "$scratch"
    # Messages about other units of this machine do not count.
    systemd-analyze verify --recursive-errors=no "$scratch"/clerk-webhook.{service,socket}
    echo "ok      clerk-webhook.service, clerk-webhook.socket: systemd-analyze verify"
else
    echo "skipped clerk-webhook.service, clerk-webhook.socket: systemd-analyze is missing"
fi

if command -v promtool >/dev/null; then
    promtool check rules prometheus/alerts.yaml >"$scratch/promtool" || { cat "$scratch/promtool"; exit 1; }
    promtool test rules prometheus/alerts.test.yaml >"$scratch/promtool" || { cat "$scratch/promtool"; exit 1; }
    echo "ok      prometheus/alerts.yaml: promtool check rules, promtool test rules"
else
    echo "skipped prometheus/alerts.yaml: promtool is missing (Debian: apt-get install prometheus)"
fi

if docker compose version >/dev/null 2>&1; then
    POSTGRES_PASSWORD=x CLERK_WEBHOOK_SIGNING_SECRET=x docker compose --file compose.yaml config --quiet
    echo "ok      compose.yaml: docker compose config"
else
    echo "skipped compose.yaml: docker compose is missing"
fi

python3 check.py "$command" "$scratch"
echo "skipped the image, the pods, the service under systemd and the dashboard in Grafana: see the head of each file"
