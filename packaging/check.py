"""Compares the files of this folder with the command and with a running server. `check.sh` runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

try:
    import yaml
except ImportError:
    yaml = None

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GUIDE = ROOT / "crates/clerk-webhook/src/guide/serve.md"
COMMAND, SCRATCH = sys.argv[1], Path(sys.argv[2])
FILES = ["Dockerfile", "compose.yaml", "clerk-webhook.service", "clerk-webhook.socket", "kubernetes.yaml"]
METRIC = re.compile(r"\b(?:clerk|process)_[a-z0-9_]+")
# The parts of a histogram.
PARTS = re.compile(r"_(?:bucket|sum|count)$")

failures: list[str] = []


def check(passed: object, message: str) -> None:
    if not passed:
        failures.append(message)


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    env = {"PATH": os.environ["PATH"], **(env or {})}
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=env, timeout=60, cwd=SCRATCH)


def content(name: str) -> str:
    """Returns a file without its comments."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


SECRET = run("secret", "new").stdout.strip()


def paths_of_the_image() -> None:
    """Every path that is copied from the repository exists, and the image has what `serve.md` requires."""
    text = content("Dockerfile")
    for arguments in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        words = arguments.split()
        if not any(word.startswith("--from=") for word in words):
            for word in words[:-1]:
                check((ROOT / word).exists(), f"Dockerfile: {word} does not exist")
    package = re.search(r"--package (\S+) --features (\S+)", text)
    manifest = (ROOT / "crates" / package[1] / "Cargo.toml").read_text(encoding="utf-8")
    check(re.search(rf"^{package[2]} = \[", manifest, re.MULTILINE), f"Dockerfile: no feature {package[2]}")
    for instruction in ("HEALTHCHECK", "ENTRYPOINT", "CMD"):
        form = re.search(rf"^\s*{instruction}(?: --\S+)*\s*\\?\s*(?:CMD )?(\[.*\])$", text, re.MULTILINE)
        check(form and json.loads(form[1]), f"Dockerfile: {instruction} is not in the list form")
    check("USER 65532:65532" in text and ":nonroot" in text, "Dockerfile: the image does not run as user 65532")


def environments() -> dict[str, dict[str, str]]:
    """Returns the variables of `serve` in each file."""
    image = dict(re.findall(r"(?:ENV |^\s+)([A-Z_]+)=(\S+)", content("Dockerfile"), re.MULTILINE))
    unit = dict(re.findall(r"^Environment=([A-Z_]+)=(.+)$", content("clerk-webhook.service"), re.MULTILINE))
    found = {"Dockerfile": image, "clerk-webhook.service": unit}
    if yaml:
        services = yaml.safe_load(content("compose.yaml"))["services"]
        found["compose.yaml"] = image | {name: value or "" for name, value in services["serve"]["environment"].items()}
        container = pods()["containers"][0]
        found["kubernetes.yaml"] = image | {item["name"]: item["value"] for item in container["env"]}
    return found


def pods() -> dict:
    return list(yaml.safe_load_all(content("kubernetes.yaml")))[0]["spec"]["template"]["spec"]


def names_and_values() -> None:
    """The command knows every flag and every variable, and accepts the values."""
    arguments = ["serve", "--print-config", "--json", "--database", "sqlite:a.db", "--no-env-file"]
    settings = json.loads(run(*arguments, env={"CLERK_WEBHOOK_SIGNING_SECRET": SECRET}).stdout)
    others = {"database": "DATABASE_URL", "secret-key": "CLERK_SECRET_KEY", "instance": "CLERK_INSTANCE_ID", "log": "RUST_LOG"}
    known = {others.get(key, "CLERK_WEBHOOK_" + key.upper().replace("-", "_")) for key in settings}
    in_files = ROOT / "crates/clerk-webhook-cli/src/commands/serve/config/names.rs"
    known |= set(re.findall(r'"([A-Z_]+_FILE)"', in_files.read_text(encoding="utf-8")))
    helps = [["serve"], ["health"], ["db", "migrate"]]
    flags = set(re.findall(r"--[a-z][a-z-]*", "".join(run(*words, "--help").stdout for words in helps)))
    for name in FILES:
        text = content(name)
        for variable in set(re.findall(r"\b(?:CLERK_[A-Z_]+|DATABASE_URL\w*|RUST_LOG)\b", text)) - known:
            check(False, f"{name}: the command has no variable {variable}")
        # In the Dockerfile, only the lists are commands of the image.
        commands = "".join(re.findall(r"\[.*\]", text)) if name == "Dockerfile" else text
        for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", commands)) - flags:
            check(False, f"{name}: the command has no flag {flag}")
    (SCRATCH / "signing").write_text(SECRET + "\n")
    (SCRATCH / "key").write_text("sk_test_" + "a" * 32)
    (SCRATCH / "url").write_text("postgres://db/app")
    values = {"CLERK_WEBHOOK_SIGNING_SECRET_FILE": "signing", "CLERK_SECRET_KEY_FILE": "key", "DATABASE_URL_FILE": "url"}
    for name, variables in environments().items():
        variables = {key: str(SCRATCH / values[key]) if key in values else value for key, value in variables.items()}
        if "CLERK_WEBHOOK_SIGNING_SECRET_FILE" not in variables:
            variables["CLERK_WEBHOOK_SIGNING_SECRET"] = SECRET
        if "DATABASE_URL_FILE" not in variables:
            url = variables.get("DATABASE_URL", "sqlite:a.db")
            variables["DATABASE_URL"] = url.replace("%S", "/var/lib").replace("${POSTGRES_PASSWORD}", "x")
        printed = run("serve", "--print-config", "--no-env-file", env=variables)
        check(printed.returncode == 0, f"{name}: serve does not accept the variables: {printed.stderr.strip()}")


def pods_have_their_parts() -> None:
    spec = pods()
    first, container = spec["initContainers"][0], spec["containers"][0]
    check(first["args"][:2] == ["db", "migrate"], "kubernetes.yaml: the init container does not migrate")
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        check(container[probe]["httpGet"]["port"] == "admin", f"kubernetes.yaml: {probe} does not ask the admin listener")
        check(container[probe]["httpGet"]["path"] == path, f"kubernetes.yaml: {probe} does not ask {path}")
    check(spec["securityContext"]["runAsUser"] == 65532, "kubernetes.yaml: the pod does not run as user 65532")
    drain = next((item["value"] for item in container["env"] if item["name"] == "CLERK_WEBHOOK_DRAIN"), "0s")
    check(int(drain.rstrip("s")) + 22 <= spec["terminationGracePeriodSeconds"], "kubernetes.yaml: the drain is too long")
    for document in ("prometheus/alerts.yaml", "prometheus/alerts.test.yaml"):
        yaml.safe_load(content(document))


def layout_of_the_image() -> None:
    """The command runs as the image runs it: without a shell, as user 65532, with only its libraries."""
    image = SCRATCH / "image"
    for folder in ("data", "usr/local/bin"):
        (image / folder).mkdir(parents=True)
    SCRATCH.chmod(0o755)
    os.chown(image / "data", 65532, 65532)
    shutil.copy(COMMAND, image / "usr/local/bin/clerk-webhook")
    linked = subprocess.run(["ldd", COMMAND], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(?<=\s)/\S+", linked):
        check(re.search(r"/(libc|libm|libgcc_s|ld-linux[\w-]*)\.so", library), f"Dockerfile: distroless/cc lacks {library}")
        target = image / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    own = {"PORT": "0", "CLERK_WEBHOOK_ADMIN_LISTEN": "0.0.0.0:0", "CLERK_WEBHOOK_DRAIN": "0s"}
    env = environments()["Dockerfile"] | own | {"DATABASE_URL": "sqlite:/data/clerk.db", "CLERK_WEBHOOK_SIGNING_SECRET": SECRET}
    prefix = [shutil.which("chroot"), "--userspec=65532:65532", str(image), "/usr/local/bin/clerk-webhook"]
    commands = [json.loads(text) for text in re.findall(r'CMD (\[.*\])', content("Dockerfile"))]
    health, serve = commands[0][1:], commands[1]
    with (SCRATCH / "image.log").open("w") as log:
        process = subprocess.Popen([*prefix, *serve], env=env, stderr=log)
    try:
        for _ in range(300):
            found = re.search(r'"address":"0.0.0.0:(\d+)".*serving health, metrics and status', Path(log.name).read_text())
            if found or process.poll() is not None:
                break
            time.sleep(0.1)
        check(found, f"Dockerfile: the server does not start: {Path(log.name).read_text()}")
        env["CLERK_WEBHOOK_ADMIN_LISTEN"] = f"0.0.0.0:{found[1]}" if found else "off"
        asked = subprocess.run([*prefix, *health], env=env, capture_output=True, text=True)
        check(asked.returncode == 0, f"Dockerfile: the health check fails: {asked.stdout}{asked.stderr}")
    finally:
        process.terminate()
        check(process.wait(30) == 0, "Dockerfile: the server does not end with 0 after SIGTERM")


def reply(url: str, data: bytes | None = None) -> str:
    try:
        with urllib.request.urlopen(url, data, timeout=10) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def served_metrics() -> set[str]:
    """Returns the names that a server shows after an import, a delivery, and a forged delivery."""
    processes = []

    def start(arguments: list[str], env: dict[str, str], wanted: list[str], stream: str) -> list[str]:
        log = (SCRATCH / f"log{len(processes)}").open("w+")
        env = {"PATH": os.environ["PATH"], **env}
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: log}
        processes.append(subprocess.Popen([COMMAND, *arguments], env=env, cwd=SCRATCH, **streams))
        for _ in range(300):
            text = Path(log.name).read_text()
            found = [re.search(pattern, text) for pattern in wanted]
            if all(found):
                return [match[1] for match in found]
            if processes[-1].poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"{arguments} did not start:\n{text}")

    try:
        api = ["api", "signup", "--seed", "1", "--events", "20", "--listen", "127.0.0.1:0"]
        url, key = start(api, {}, [r"api +(http://\S+)", r"key +(\S+)"], "stdout")
        env = {"CLERK_WEBHOOK_SIGNING_SECRET": SECRET, "CLERK_SECRET_KEY": key, "CLERK_WEBHOOK_LOG_FORMAT": "json"}
        options = ["--database", "sqlite:metrics.db", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        # Nothing listens on port 9, so each attempt of the forward fails.
        options += ["--api-url", url, "--forward-to", "http://127.0.0.1:9/", "--reconcile-every", "1s", "--no-env-file"]
        admin = r'"address":"([^"]+)","level":"INFO","message":"serving health, metrics and status"'
        public = r'"address":"([^"]+)","level":"INFO","message":"accepting deliveries"'
        addresses = start(["serve", *options], env, [admin, public], "stderr")
        to = f"http://{addresses[1]}/webhooks/clerk"
        sent = run("trigger", "user.created", "--to", to, env=env)
        check(sent.returncode == 0, f"trigger failed: {sent.stdout}{sent.stderr}")
        reply(to, b"{}")
        # Until the comparison has ended, and the worker has reported its numbers.
        for _ in range(300):
            text = reply(f"http://{addresses[0]}/metrics")
            if "clerk_sync_drift_rows{" in text and "clerk_webhook_queue_jobs{" in text:
                break
            time.sleep(0.1)
        return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def metrics_in_the_source() -> set[str]:
    """Returns the names in the source code: some appear only after certain events."""
    sources = (path.read_text(encoding="utf-8") for path in ROOT.glob("crates/*/src/**/*.rs"))
    pattern = re.compile(r'(?:const [A-Z_]+: &str = |(?:counter|gauge|histogram)!\(\s*)"((?:clerk|process)_[a-z_]+)"')
    return {name for source in sources for name in pattern.findall(source)}


def expressions(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [text for key, text in value.items() if key in ("expr", "query") and isinstance(text, str)]
        return own + [text for child in value.values() for text in expressions(child)]
    return [text for child in value for text in expressions(child)] if isinstance(value, list) else []


def queries_parse() -> None:
    """promtool accepts the queries of the dashboard, as rules."""
    queries = expressions(json.loads((HERE / "grafana/dashboard.json").read_text(encoding="utf-8")))
    queries = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in queries if "(" in query or "{" in query]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries) if "label_values" not in query]
    file = SCRATCH / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    check(checked.returncode == 0 and len(rules) > 20, f"dashboard.json: {checked.stdout}{checked.stderr}")


def metrics_exist() -> None:
    served, known = served_metrics(), metrics_in_the_source()
    check(served <= known, f"the source lacks metrics of the server: {sorted(served - known)}")
    rules = content("prometheus/alerts.yaml")
    dashboard = "\n".join(expressions(json.loads((HERE / "grafana/dashboard.json").read_text(encoding="utf-8"))))
    table = "\n".join(line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    for name, text in (("alerts.yaml", rules), ("dashboard.json", dashboard), ("serve.md", table)):
        used = {PARTS.sub("", metric) for metric in METRIC.findall(text)}
        check(used, f"{name} names no metric")
        for metric in sorted(used - served):
            if metric in known:
                print(f"note    {name}: {metric} did not appear in this run; its name is in the source code")
            else:
                check(False, f"{name}: the server has no metric {metric}")
    for alert in re.findall(r"- alert: (\w+)", rules):
        check(f"`{alert}`" in table, f"serve.md has no runbook for {alert}")
        tested = (HERE / "prometheus/alerts.test.yaml").read_text(encoding="utf-8")
        check(f'alertname="{alert}"' in tested, f"alerts.test.yaml does not test {alert}")


def main() -> int:
    checks = [paths_of_the_image, names_and_values, metrics_exist]
    if os.getuid() == 0 and shutil.which("chroot") and shutil.which("ldd"):
        checks.append(layout_of_the_image)
    else:
        print("skipped layout of the image: chroot needs root")
    if shutil.which("promtool"):
        checks.append(queries_parse)
    if yaml:
        checks.append(pods_have_their_parts)
    else:
        print("skipped compose.yaml, kubernetes.yaml: parsing needs PyYAML")
    for function in checks:
        before = len(failures)
        function()
        if len(failures) == before:
            print(f"ok      {function.__name__.replace('_', ' ')}")
    for failure in failures:
        print(f"failed  {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
