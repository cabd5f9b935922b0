"""A machine of the tests' own under a real systemd: this machine's file system under an overlay, booted in a container that
shares its network. What is done there is gone afterwards. Needs root."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from broker import BIN, BrokerError, all_processes, wait_until

UNITS = Path(__file__).parent.parent.parent / "units"
# Nothing of this machine's that would run in the container as well.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "man-db.timer", "getty@.service", "console-getty.service", "mosquitto.service", "nginx.service",
          "postgresql.service", "rabbitmq-server.service", "systemd-networkd.service", "systemd-resolved.service",
          "systemd-timesyncd.service", "networking.service", "ssh.service", "cron.service"]


def inner_pid(pid):
    """What a process is called in the innermost namespace that it is in; None where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(re.search(r"^NSpid:.*\t(\d+)$", status, re.M)[1])


class SystemdHost:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="apus-host-"))
        self.root = self.folder / "root"
        # The upper layer may not lie on an overlay itself.
        self._check("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", self.folder)
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir()
        self._check("mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
        (self.root / "etc/machine-id").unlink(missing_ok=True)
        (self.root / "etc/machine-id").touch()
        for unit in MASKED:
            link = self.root / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        self._install()
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit", "--hostname=apus",
             f"--machine=apus-{os.getpid()}"],
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "boot.log", "wb"), stderr=subprocess.STDOUT,
            start_new_session=True)
        self.leader = None
        try:
            self.leader = wait_until(self._find_leader, "the container's first process", 20)
            wait_until(lambda: self.run("systemctl", "is-system-running", check=False) in ("running", "degraded"),
                       "the container to have booted", 30)
        except TimeoutError:
            log = (self.folder / "boot.log").read_text(errors="replace")
            self.close()
            raise BrokerError(f"the container did not boot:\n{log}") from None

    @staticmethod
    def _check(*command):
        subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)

    def _find_leader(self):
        """The child that is process 1 in there; another one, which prepares it, may be there before."""
        children = (pid for pid, fields in all_processes().items() if int(fields[1]) == self.process.pid)
        return next((pid for pid in children if inner_pid(pid) == 1), None)

    def _install(self):
        for program, place in (("apusd", "usr/sbin"), ("apusctl", "usr/bin"), ("apus-listener", "usr/libexec/apus"),
                               ("apus-router", "usr/libexec/apus")):
            (self.root / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(BIN / program, self.root / place / program)
        (self.root / "etc/apus").mkdir(exist_ok=True)
        for unit in ("apus.service", "apus.socket", "apus-web.socket"):
            shutil.copy(UNITS / unit, self.root / "usr/lib/systemd/system" / unit)
        for name, place in (("sysusers.conf", "usr/lib/sysusers.d/apus.conf"), ("private.conf", "usr/share/apus/private.conf"),
                            ("apus.catalog", "usr/lib/systemd/catalog/apus.catalog")):
            (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(UNITS / name, self.root / place)
        # The bus admits users of this machine only, and a dynamic one is none where libnss-systemd is not installed.
        self._check("systemd-sysusers", f"--root={self.root}", "apus.conf")
        self._check("journalctl", f"--root={self.root}", "--update-catalog")
        (self.root / "etc/systemd/system/apus.service.d").mkdir()

    def configure(self, text):
        (self.root / "etc/apus/apus.toml").write_text(text)

    def run(self, *command, check=True, timeout=60):
        """What a command in the container writes."""
        result = subprocess.run(["nsenter", "-t", str(self.leader), "-a", *map(str, command)], capture_output=True,
                                text=True, timeout=timeout)
        if check and result.returncode:
            raise BrokerError(f"{command} exited with {result.returncode}: {result.stderr}")
        return result.stdout.strip()

    # The broker in it.

    def start(self):
        self.run("systemctl", "reset-failed", "apus", check=False)
        self.run("systemctl", "start", "apus")

    def status(self):
        return json.loads(self.run("apusctl", "status", "--json"))

    def port(self, listener="mqtt"):
        return next(row["port"] for row in self.status()["listeners"] if row["name"] == listener)

    def main_pid(self):
        return int(self.run("systemctl", "show", "-P", "MainPID", "apus"))

    def worker(self, name):
        """The PID of a worker that serves."""
        return next(row["pid"] for row in self.status()["workers"]
                    if row["name"] == name and row["state"] == "ready")

    def kill(self, *pids):
        """At once, as far as that can be."""
        self.run("kill", "-KILL", *pids)

    def wait_served(self, timeout=20.0):
        """Until the broker is ready, with a standby behind every worker."""
        def is_whole():
            try:
                status = self.status()
            except BrokerError:
                return False
            places = {(row["role"], row["name"]) for row in status["workers"]}
            return status["state"] == "ready" and all(
                {row["state"] for row in status["workers"] if (row["role"], row["name"]) == place}
                == {"ready", "standby"} for place in places)

        wait_until(is_whole, "the broker and its standbys", timeout)

    def journal(self):
        return self.run("journalctl", "-u", "apus", "--no-pager", "-o", "cat", "-n", "80", check=False)

    def close(self):
        for number in (signal.SIGRTMIN + 4, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            # SIGRTMIN+4 tells the container's systemd to power off.
            os.kill(self.leader if self.leader and number != signal.SIGKILL else self.process.pid, number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        for mount in (self.root, self.folder):
            deadline = time.monotonic() + 5
            while subprocess.run(["umount", str(mount)], capture_output=True).returncode:
                if time.monotonic() > deadline:
                    subprocess.run(["umount", "-l", str(mount)], capture_output=True)
                    break
                time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)
