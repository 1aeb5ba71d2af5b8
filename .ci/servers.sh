#!/usr/bin/env bash
# Starts Postgres, PgBouncer in transaction mode, Redis and NATS with JetStream for the tests, on free loopback ports.
# Installs missing servers from Debian packages.
#
#   eval "$(bash .ci/servers.sh)"
#       Starts the servers unless they run, and sets TEST_POSTGRES_URL, TEST_PGBOUNCER_URL, TEST_REDIS_URL and
#       TEST_NATS_URL.
#   eval "$(DURABLE=yes bash .ci/servers.sh)"
#       The same, but Postgres and Redis flush every commit to disk. Use it for benchmarks. Debian's version of NATS has no
#       such setting: it flushes every two minutes.
#   bash .ci/servers.sh stop
#       Stops the servers and removes their data.
set -euo pipefail
cd "$(dirname "$0")/.."

# This file contains the path of the data folder. The data folder is outside the checkout, because the database user may
# have no access to the checkout.
path_file=target/servers

as_user_of_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

stop() {
    [ -f "$path_file" ] || return 0
    local data
    data=$(cat "$path_file")
    # Never removes a folder that this script did not create.
    case $data in
        */clerk-webhook-servers.??????) ;;
        *)
            echo "$path_file names $data, which this script did not create. Remove $path_file." >&2
            return 1
            ;;
    esac
    if [ -f "$data/pgbouncer/pid" ]; then kill "$(cat "$data/pgbouncer/pid")" 2>/dev/null || true; fi
    if [ -d "$data/postgres" ]; then
        as_user_of_postgres "$(cat "$data/pg_ctl")" stop --pgdata "$data/postgres" --mode immediate >/dev/null || true
    fi
    local server pid
    for server in redis nats; do
        [ -f "$data/$server/pid" ] || continue
        pid=$(cat "$data/$server/pid")
        kill "$pid" 2>/dev/null || true
        # Wait, because a running server could write to the folder while it is removed.
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    done
    rm -rf "$data" "$path_file"
}

are_running() {
    [ -f "$path_file" ] || return 1
    local data
    data=$(cat "$path_file")
    [ -f "$data/environment" ] && kill -0 "$(cat "$data/redis/pid")" 2>/dev/null &&
        kill -0 "$(cat "$data/nats/pid")" 2>/dev/null &&
        kill -0 "$(cat "$data/pgbouncer/pid")" 2>/dev/null &&
        as_user_of_postgres "$(cat "$data/pg_ctl")" status --pgdata "$data/postgres" >/dev/null
}

find_pg_ctl() {
    # Debian keeps the programs of each version in a folder that is not on the path.
    find /usr/lib/postgresql/*/bin -name pg_ctl 2>/dev/null | sort --version-sort | tail -n 1
}

find_server() {
    # Debian installs some servers in /usr/sbin, which is not on every user's path.
    PATH=$PATH:/usr/sbin command -v "$1" || true
}

install_missing() {
    local server missing=() apt=(apt-get --quiet=2)
    [ -n "$(find_pg_ctl)" ] || missing+=(postgresql)
    for server in pgbouncer redis-server nats-server; do
        [ -n "$(find_server "$server")" ] || missing+=("$server")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || apt=(sudo "${apt[@]}")
    export DEBIAN_FRONTEND=noninteractive
    # To stderr, because the caller evaluates stdout.
    {
        "${apt[@]}" update
        "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
    } >&2
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    install_missing
    local data pg_ctl port
    data=$(mktemp --directory "${TMPDIR:-/tmp}/clerk-webhook-servers.XXXXXX")
    mkdir -p "$(dirname "$path_file")"
    echo "$data" >"$path_file"
    chmod 755 "$data"
    mkdir "$data/postgres" "$data/pgbouncer" "$data/redis" "$data/nats"
    pg_ctl=$(find_pg_ctl)
    echo "$pg_ctl" >"$data/pg_ctl"
    if [ "$(id -u)" = 0 ]; then chown postgres "$data/postgres" "$data/pgbouncer"; fi

    port=$(free_port)
    # The settings `fsync` of Postgres and `appendonly` of Redis. For tests, commits need not survive a crash.
    local durability=(off no)
    if [ "${DURABLE:-no}" = yes ]; then durability=(on yes); fi
    (
        cd "$data"
        as_user_of_postgres "$(dirname "$pg_ctl")/initdb" --pgdata "$data/postgres" --username postgres \
            --auth trust --encoding UTF8 --no-locale --no-sync
        as_user_of_postgres "$pg_ctl" start --pgdata "$data/postgres" --wait --log "$data/postgres/log" --options \
            "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c fsync=${durability[0]}"
    ) >&2
    echo "export TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$port/postgres" >>"$data/environment.new"

    # Only three server connections for all clients, so that transactions of a client can use different ones.
    local pooler_port
    pooler_port=$(free_port)
    cat >"$data/pgbouncer/pgbouncer.ini" <<INI
[databases]
; With auth_type = any, PgBouncer connects to the server as the user named here.
* = host=127.0.0.1 port=$port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler_port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
logfile = $data/pgbouncer/log
pidfile = $data/pgbouncer/pid
INI
    as_user_of_postgres "$(find_server pgbouncer)" --daemon --quiet "$data/pgbouncer/pgbouncer.ini" >&2
    echo "export TEST_PGBOUNCER_URL=postgres://postgres@127.0.0.1:$pooler_port/postgres" >>"$data/environment.new"

    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --dir "$data/redis" --pidfile "$data/redis/pid" \
        --logfile "$data/redis/log" --save '' --appendonly "${durability[1]}" --maxmemory-policy noeviction --daemonize yes >&2
    for _ in $(seq 100); do
        if redis-cli -p "$port" ping 2>/dev/null | grep -q PONG; then break; fi
        sleep 0.1
    done
    redis-cli -p "$port" ping >&2
    echo "export TEST_REDIS_URL=redis://127.0.0.1:$port/" >>"$data/environment.new"

    port=$(free_port)
    nats-server --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$data/nats" --pid "$data/nats/pid" \
        --log "$data/nats/log" >/dev/null 2>&1 &
    for _ in $(seq 100); do
        if grep -qs "Server is ready" "$data/nats/log"; then break; fi
        sleep 0.1
    done
    grep -q "Server is ready" "$data/nats/log"
    echo "export TEST_NATS_URL=nats://127.0.0.1:$port" >>"$data/environment.new"
    mv "$data/environment.new" "$data/environment"
}

case ${1:-start} in
    start)
        are_running || { stop; start; }
        cat "$(cat "$path_file")/environment"
        ;;
    stop) stop ;;
    *)
        echo "usage: .ci/servers.sh [start|stop]" >&2
        exit 2
        ;;
esac
