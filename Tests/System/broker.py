"""Starts and stops the real broker for tests and benchmarks: temp folder, configuration, notify socket, logs, ports.

Uses the standard library only, so that Benchmarks/run can use it too. Raises BrokerError where the broker does not
start, and AssertionError where it does not stop as it should.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("APUS_BIN", ROOT / ".build" / "release"))

MQTT = {"name": "mqtt", "protocol": "mqtt", "bind": "127.0.0.1:0"}
WEB = {"name": "web", "protocol": "websocket", "bind": "127.0.0.1:0"}


class BrokerError(Exception):
    pass


def wait_until(condition, what, timeout=10.0):
    """Returns the first true value of condition(); for what no event tells."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{timeout} s without: {what}")
        time.sleep(0.02)
    return value


class Lines:
    """Lines as they arrive from another process; who waits for one is woken by it."""

    def __init__(self):
        self._lines, self._changed, self._ended = [], threading.Condition(), False

    def add(self, line):
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def read_from(self, stream):
        """Reads a text stream to its end in a thread of its own."""

        def read():
            for line in stream:
                self.add(line.rstrip("\n"))
            stream.close()
            self.end()

        threading.Thread(target=read, daemon=True).start()
        return self

    def mark(self):
        """Where the next line will be: for `since`."""
        with self._changed:
            return len(self._lines)

    def all(self, pattern="", since=0):
        with self._changed:
            return [line for line in self._lines[since:] if re.search(pattern, line)]

    def wait(self, pattern, timeout=10.0, since=0, count=1):
        """The count-th line that matches, seen from `since`."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [line for line in self._lines[since:] if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    end = "the end" if self._ended else f"{timeout} s"
                    seen = "\n".join(self._lines[since:][-30:])
                    raise TimeoutError(f"no line like {pattern!r} before {end}; seen:\n{seen}")
                self._changed.wait(left)


class NotifySocket:
    """What systemd would hear: a datagram socket, each assignment of each message a line."""

    def __init__(self, path):
        self.path = str(path)
        self.lines = Lines()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while self._wake not in select.select([self._socket, self._wake], [], [])[0]:
            for line in self._socket.recv(65536).decode().splitlines():
                self.lines.add(line)

    def close(self):
        os.close(self._stop)
        self._thread.join()
        os.close(self._wake)
        self._socket.close()


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def toml_table(table):
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())


def process_file(pid, name):
    """A file of /proc/PID; empty where there is no such process, or none any more when it is read."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stat_fields(pid):
    """/proc/PID/stat from the state on; empty where there is no such process."""
    return process_file(pid, "stat").rpartition(")")[2].split()


def all_processes():
    return {int(name): fields for name in os.listdir("/proc") if name.isdigit() and (fields := stat_fields(name))}


def is_alive(pid):
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


class Broker:
    """A running broker. Every one has a folder, a session and a notify socket of its own, so that any number can run.

    listeners, limits, store, supervisor, auth, log, bridge: tables of the configuration; top: keys above the tables.
    prefix: a command that execs its arguments (prlimit …); environment: added to the broker's.
    folder: one that an earlier broker left behind; ready: whether to wait for READY=1; binaries: the folder of others than BIN.
    """

    running = []

    def __init__(self, listeners=(MQTT, WEB), limits=None, supervisor=None, auth=None, log=None, top=None, prefix=(),
                 environment=None, pass_fds=(), folder=None, ready=True, store=None, bridge=None, binaries=BIN):
        self.binaries = binaries
        self.folder = folder or Path(tempfile.mkdtemp(prefix="apus-"))
        self.config = self.folder / "apus.toml"
        self.control = self.folder / "run" / "control.sock"
        self.log = Lines()
        self.configure(listeners, limits, supervisor, auth, log, top, store, bridge)
        self.notify = NotifySocket(self.folder / "notify")
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "NOTIFY_SOCKET": self.notify.path, **(environment or {})}
        self.process = subprocess.Popen(
            [*prefix, binaries / "apusd", "--config", self.config], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", pass_fds=pass_fds,
            start_new_session=True, cwd=self.folder)
        self.pid = self.process.pid
        self.log.read_from(self.process.stdout)
        Broker.running.append(self)
        if ready:
            self.wait_ready()

    def configure(self, listeners=(MQTT, WEB), limits=None, supervisor=None, auth=None, log=None, top=None, store=None,
                  bridge=None):
        """Writes the configuration; a running broker takes it at SIGHUP."""
        text = toml_table({"state_dir": str(self.folder / "state"), "runtime_dir": str(self.folder / "run"),
                           **(top or {})})
        for listener in listeners:
            text += "\n[[listener]]\n" + toml_table(listener)
        tables = {"limits": limits, "store": store, "supervisor": supervisor, "auth": auth, "log": log,
                  "bridge.rabbitmq": bridge}
        for name, table in tables.items():
            if table:
                text += f"\n[{name}]\n" + toml_table(table)
        self.config.write_text(text)

    def wait_ready(self, timeout=15.0):
        wait_until(lambda: self.notify.lines.all("^READY=1$") or self.process.poll() is not None, "READY=1", timeout)
        if not self.notify.lines.all("^READY=1$"):
            raise BrokerError(f"apusd exited with {self.process.returncode}:\n" + "\n".join(self.log.all()[-30:]))

    # What the operator sees.

    def ctl(self, *arguments, check=True, timeout=20):
        result = subprocess.run(
            [self.binaries / "apusctl", "--socket", self.control, *arguments], capture_output=True, text=True, timeout=timeout)
        if check and result.returncode:
            raise BrokerError(f"apusctl {' '.join(arguments)} exited with {result.returncode}: {result.stderr}")
        return result

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def clients(self):
        return json.loads(self.ctl("clients", "--json").stdout)

    def client(self, client_id):
        return next((client for client in self.clients() if client["client_id"] == client_id), None)

    def counted(self, name):
        """The sum of the counters whose names end so; workers report theirs with each heartbeat."""
        return sum(value for counter, value in self.status()["counters"].items() if counter.endswith(name))

    def port(self, listener="mqtt"):
        return next(row["port"] for row in self.status()["listeners"] if row["name"] == listener)

    def workers(self, name=None):
        """Rows of the workers of one listener (web/1, web/2), of one role, or of all; not those that wait."""
        rows = [row for row in self.status()["workers"] if row["state"] != "standby"]
        return [row for row in rows if name in (None, row["name"].partition("/")[0], row["role"])]

    def standby(self, name):
        """The row of the process that waits to go on for a listener's, once there is one."""
        return wait_until(
            lambda: next((row for row in self.status()["workers"]
                          if row["state"] == "standby" and row["name"] == name), None), f"a standby of {name}")

    def worker(self, name):
        rows = self.workers(name)
        assert len(rows) == 1, rows
        return rows[0]

    def wait_worker(self, name, condition, what, timeout=15.0):
        """Waits until every worker of that name meets a condition, and returns them."""
        def met():
            rows = self.workers(name)
            return rows if rows and all(map(condition, rows)) else None

        return wait_until(met, f"{name}: {what}", timeout)

    def wait_respawned(self, name, old_pid, timeout=15.0):
        """Waits until the worker of that name is ready as another process than old_pid, and returns its row."""
        return self.wait_worker(
            name, lambda row: row["state"] == "ready" and row["pid"] not in (0, old_pid), "ready again", timeout)[0]

    # What the kernel sees.

    def processes(self):
        """PIDs of the supervisor and of all its descendants."""
        found, parents = [self.pid], {pid: int(fields[1]) for pid, fields in all_processes().items()}
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def memory_mb(self):
        """Proportional set size of all processes together."""
        total = 0
        for pid in self.processes():
            found = re.search(r"^Pss:\s+(\d+)", process_file(pid, "smaps_rollup"), re.M)
            total += int(found[1]) if found else 0
        return total / 1024

    def cpu_seconds(self):
        return sum(map(cpu_seconds, self.processes()))

    def signal(self, number):
        os.kill(self.pid, number)

    # The end.

    def _left_over(self):
        return [pid for pid, fields in all_processes().items() if int(fields[3]) == self.pid and fields[0] not in "ZX"]

    def stop(self, timeout=15.0):
        """SIGTERM; asserts a clean exit in time, and that no process of the broker is left."""
        known = self.processes()
        self.signal(signal.SIGTERM)
        self.expect_exit(0, timeout, known)

    def expect_exit(self, code, timeout=15.0, known=()):
        try:
            returned = self.process.wait(timeout)
            left = sorted({*self._left_over(), *filter(is_alive, known)})
            assert returned == code, f"exit status {returned}\n" + "\n".join(self.log.all()[-30:])
            assert not left, f"processes left behind: {left}"
        finally:
            self.discard()

    def take_folder(self):
        """Removes what is left of a broker that is dead, but for its folder, which is the caller's now."""
        folder, self.folder = self.folder, None
        self.discard()
        (folder / "notify").unlink()
        return folder

    def discard(self):
        """Ends and removes whatever is still there, in any state. Does nothing the second time."""
        if self not in Broker.running:
            return
        Broker.running.remove(self)
        for pid in {*self._left_over(), *([self.pid] if self.process.poll() is None else [])}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.notify.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self in Broker.running:
            self.discard() if kind else self.stop()
