"""Deaths at a step: a worker that is killed as it enters a certain system call, the n-th of its life or from now on, while
clients talk. strace does it, so the programs are those that are shipped."""

import os
import shutil
import socket
import subprocess
import threading

from broker import BIN, process_file, wait_until
from client import Paho, unique

SOAK = bool(os.environ.get("APUS_SOAK"))

# Whoever finds a plan takes it, and dies by it; all others run as ever.
PROGRAM = """#!/bin/sh
if mv "$0.plan" "$0.$$" 2>/dev/null; then
    read -r call count <"$0.$$"
    exec strace -D -f -q -o "$0.trace" -e trace="$call" -e inject="$call:signal=KILL:when=$count" "$0.real"
fi
exec "$0.real"
"""


class Programs:
    """A folder of workers' programs, of which the next process can be told where to die."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("apus-listener", "apus-router"):
            shutil.copy(BIN / name, folder / name)
            os.link(folder / name, folder / f"{name}.real")

    def plan(self, role, call, count):
        """The next process of a role is killed at that call."""
        program, new = self.folder / f"apus-{role}", self.folder / f"apus-{role}.new"
        (self.folder / f"apus-{role}.plan").write_text(f"{call} {count}\n")
        new.write_text(PROGRAM)
        new.chmod(0o755)
        os.replace(new, program)

    def has_died(self, role):
        trace = self.folder / f"apus-{role}.trace"
        return trace.exists() and "+++ killed by SIGKILL +++" in trace.read_text()

    def wait_death(self, role, timeout=10.0):
        wait_until(lambda: self.has_died(role), "the process to come to that step", timeout)


class Attached:
    """A process that runs already, killed at the count-th call of a kind from now on: of its first thread, or of any.
    Those that it starts are not meant."""

    def __init__(self, pid, call, count, threads=False):
        self._strace = subprocess.Popen(
            ["strace", *(["-f"] if threads else []), "-q", "-o", "/dev/null", "-e", f"trace={call}", "-e",
             f"inject={call}:signal=KILL:when={count}", "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        # Or that it has died already.
        wait_until(lambda: "TracerPid:\t0" not in process_file(pid, "status"), "strace to be attached")

    def wait_death(self, timeout=10.0):
        """strace ends with whom it follows."""
        try:
            self._strace.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError("the process did not come to that step") from None
        finally:
            self.close()

    def close(self):
        if self._strace.poll() is None:
            self._strace.terminate()
            self._strace.wait()
        self._strace.stderr.close()


class Talk:
    """Clients that talk until they are stopped, at every QoS, and what each of them has heard. Others come and go."""

    def __init__(self, port, web, opened):
        self.visits = True
        self.topic = unique("talk")
        self.sender = opened(Paho(port))
        # At QoS 0 a session that outlives its connection loses with a router what waits behind QoS 2 for the disk.
        self.durable = opened(Paho(port, client_id=unique("d"), clean=False))
        self.receivers = [opened(Paho(port, version="5.0")), self.durable, opened(Paho(web, transport="websockets"))]
        for receiver in self.receivers:
            receiver.subscribe(self.topic, 2)
        self._sent, self._ports, self._refused = [], (port, web), []
        self._said, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._over.wait(0.002):
            number = len(self._sent)
            if self.visits and number % 10 == 0:
                self._visit()
            self._sent.append(self.sender.client.publish(self.topic, str(number), number % 3))
            if number == 30:
                self._said.set()
        self._said.set()

    def _visit(self):
        """Nobody is refused, whoever is away."""
        for port in self._ports:
            try:
                socket.create_connection(("127.0.0.1", port), 10).close()
            except OSError as error:
                self._refused.append(error)

    def __enter__(self):
        self._thread.start()
        self._said.wait(10)
        return self

    def __exit__(self, kind, error, traceback):
        self._over.set()
        self._thread.join()
        if not kind:
            self._check()

    def _check(self):
        """Everybody has heard everything, once and in order, and everything was acknowledged."""
        for info in self._sent:
            info.wait_for_publish(10)
            assert info.is_published()
        assert not self._refused
        total, end = len(self._sent), unique("end")
        for receiver in self.receivers:
            receiver.subscribe(end, 2)
        for qos in range(3):
            self.sender.publish(end, str(qos), qos)
        for receiver in self.receivers:
            got = {0: [], 1: [], 2: []}
            ended = set()
            while len(ended) < 3:
                message = receiver.message()
                if message.topic == end:
                    ended.add(message.payload)
                else:
                    got[int(message.payload) % 3].append(int(message.payload))
            # Each QoS keeps its order; paho hands a QoS 2 message on only when it was released.
            for qos in range(3):
                said = list(range(qos, total, 3))
                if receiver is self.durable and qos == 0:
                    said = [number for number in said if number in got[0]]
                assert got[qos] == said, f"{set(said) - set(got[qos])} of {total} at QoS {qos}"
            assert receiver.client.is_connected()
