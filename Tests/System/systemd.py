"""A machine of the tests' own under a real systemd: this machine's file system under an overlay, booted in a container that
shares its network. What is done there is gone afterwards. Needs root."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from broker import BIN, BrokerError, all_processes, process_file, wait_until

ROOT = Path(__file__).parent.parent.parent
# The container's own filter does not know them, a machine has none.
SANDBOX = "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
# Nothing of this machine's that would run in the container as well.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "man-db.timer", "getty@.service", "console-getty.service", "mosquitto.service", "nginx.service",
          "postgresql.service", "rabbitmq-server.service", "systemd-networkd.service", "systemd-resolved.service",
          "systemd-timesyncd.service", "networking.service", "ssh.service", "cron.service"]


def package(version="", folder="deb"):
    """The package of these programs; made again where they are newer, or a version of it is asked for."""
    folder = ROOT / ".build" / folder
    newest = max((BIN / program).stat().st_mtime for program in ("apusd", "apusctl", "apus-listener", "apus-router", "apus-bridge", "apus-auth"))
    found = list(folder.glob(f"apus_{version}*.deb"))
    if not found or found[0].stat().st_mtime < newest:
        subprocess.run(["make", "-s", "-C", ROOT, "deb-files", f"BIN={BIN}", f"DEB={folder}"], check=True, capture_output=True,
                       env={**os.environ, "APUS_VERSION": version, "APUS_COMPRESSION": "0"})
        found = list(folder.glob("apus_*.deb"))
    return found[0]


@pytest.fixture(scope="module")
def host():
    host = SystemdHost()
    yield host
    host.close()


@pytest.fixture
def broker(host, request):
    """With the CONFIGURATION of the test's file, and a standby behind every worker."""
    host.configure(request.module.CONFIGURATION)
    host.start()
    host.wait_served()
    yield host
    print(host.journal())
    host.stop()


def free_ports(count):
    """Ports that nobody has, which systemd is to bind."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


def put(host, program, source):
    """As a package manager does: the new file takes the old one's name."""
    new = host.root / f"{program}.new"
    shutil.copy(source, new)
    new.chmod(0o755)
    os.replace(new, host.root / program)


def inner_pid(pid):
    """What a process is called in the innermost namespace that it is in; None where it is gone."""
    found = re.search(r"^NSpid:.*\t(\d+)$", process_file(pid, "status"), re.M)
    return found and int(found[1])


class SystemdHost:
    """With the package installed, unless told otherwise, and no service started."""

    def __init__(self, is_bare=False, options=()):
        self.process = self.leader = None
        self.folder = Path(tempfile.mkdtemp(prefix="apus-host-"))
        self.root = self.folder / "root"
        try:
            self._mount()
            self._boot(options)
        except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired, TimeoutError) as error:
            log = self.folder / "boot.log"
            said = log.read_text(errors="replace") if log.exists() else getattr(error, "stderr", "")
            self.close()
            # Nothing of Apus is in there yet.
            pytest.skip("THIS MACHINE CAN NOT BOOT A SYSTEMD OF THE TESTS' OWN, and what needs one is not tested "
                        f"(it takes root, overlayfs and systemd-nspawn): {error} {said}")
        if not is_bare:
            self.install(package())
            (self.root / "etc/systemd/system/apus.service.d").mkdir()

    def _mount(self):
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
        self._prepare()

    def _boot(self, options):
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit", "--hostname=apus",
             f"--machine=apus-{os.getpid()}", f"--system-call-filter={SANDBOX}", *options],
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "boot.log", "wb"), stderr=subprocess.STDOUT,
            start_new_session=True)
        self.leader = wait_until(self._find_leader, "the container's first process", 20)
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False) in ("running", "degraded"),
                   "the container to have booted", 30)

    @staticmethod
    def _check(*command):
        subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)

    def _find_leader(self):
        """The child that is process 1 in there; another one, which prepares it, may be there before."""
        if self.process.poll() is not None:
            raise OSError(f"systemd-nspawn exited with {self.process.returncode}")
        children = (pid for pid, fields in all_processes().items() if int(fields[1]) == self.process.pid)
        return next((pid for pid in children if inner_pid(pid) == 1), None)

    def _prepare(self):
        """What dpkg finds: no service is to be started, and manual pages are wanted."""
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        (self.root / "etc/dpkg/dpkg.cfg.d/zz-apus").write_text("path-include=/usr/share/man/*\n")

    def install(self, package):
        shutil.copy(package, self.root / "root/apus.deb")
        return self.run("dpkg", "--force-confold", "--force-unsafe-io", "-i", "/root/apus.deb")

    def apt_install(self, package):
        """As docs/operations.md says, without a question about files that are there before the package."""
        path = self.root / "root" / package.name
        shutil.copy(package, path)
        try:
            return self.run("sh", "-c", "cd /root && DEBIAN_FRONTEND=noninteractive apt-get install -y --allow-downgrades "
                            f"-o DPkg::Options::=--force-unsafe-io -o DPkg::Options::=--force-confold ./{path.name} 2>&1")
        finally:
            path.unlink()

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

    def kill(self, *pids, number="KILL"):
        """At once, as far as that can be."""
        self.run("kill", f"-{number}", *pids)

    def wait_served(self, timeout=20.0):
        """Until the broker is ready, with a standby behind every worker but the bridge and auth."""
        def is_whole():
            try:
                status = self.status()
            except BrokerError:
                return False
            places = {(row["role"], row["name"]) for row in status["workers"]}
            return status["state"] == "ready" and all(
                {row["state"] for row in status["workers"] if (row["role"], row["name"]) == place}
                == ({"ready"} if place[0] in ("bridge", "auth") else {"ready", "standby"}) for place in places)

        wait_until(is_whole, "the broker and its standbys", timeout)

    def stop(self):
        """Whatever a test has left to die is gone afterwards."""
        self.run("systemctl", "stop", "apus")
        wait_until(lambda: not self.run("pgrep", "apus", check=False), "every process of the broker to be gone", 40)

    def entries(self, *matches):
        """Entries of the journal about the unit, as the fields that they have."""
        lines = self.run("journalctl", "-u", "apus", "-o", "json", "--no-pager", *matches).splitlines()
        return [json.loads(line) for line in lines]

    def journal(self):
        return self.run("journalctl", "-u", "apus", "--no-pager", "-o", "cat", "-n", "80", check=False)

    def close(self):
        for number in (signal.SIGRTMIN + 4, signal.SIGKILL):
            if self.process is None or self.process.poll() is not None:
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
