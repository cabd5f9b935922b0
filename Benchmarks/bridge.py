"""Through RabbitMQ: what the bridge takes there and fetches from there, at QoS 1 with confirms. Part of Benchmarks/run.

Two brokers and one RabbitMQ, all on this machine. At first both brokers serve: what is published at one reaches the
subscribers of the other, and RabbitMQ. Then each direction alone: a number of messages is published at the first, which sends
them to RabbitMQ; from there the second fetches them, whose subscriber waits for them. Rates of these are by the bridge's
counters, from a tenth to nine tenths of the messages.
"""

import os
import subprocess
import time
from pathlib import Path

from broker import MQTT, Broker, wait_until
from rabbitmq import RabbitMQ

QUEUE = "apus-bench"
# What of mqload's figures must be none.
WRONG = "lost", "dup", "ooo"
LIMITS = {"queue_messages": 10_000_000, "queue_bytes": "16 GiB"}


def cpu_seconds(root):
    """Seconds of CPU of a process and all its descendants."""
    parents, cpu = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            pid = int(entry.name)
            parents[pid], cpu[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    ours = {root}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(cpu.get(pid, 0) for pid in ours)


class Node:
    """A broker with a bridge."""

    def __init__(self, rabbit, name, **bridge):
        self.settings = {"limits": LIMITS, "log": {"connections": False}, "supervisor": {"heartbeat_interval": "100ms"},
                         "bridge": {"uri": rabbit.uri, "node": name, "mandatory": False, "queue": QUEUE, **bridge}}
        self.broker = Broker(listeners=[MQTT], **self.settings)
        wait_until(lambda: self.broker.counted("bridge_connected") == 1, f"the bridge of {name}")

    def change(self, **bridge):
        self.settings["bridge"].update(bridge)
        self.broker.configure(**self.settings)
        self.broker.ctl("reload")

    def rate(self, counter, count, timeout=120):
        """Messages a second from a tenth to nine tenths of count, beyond what was counted before."""
        first, marks = self.broker.counted(counter), {}
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            done, now = self.broker.counted(counter) - first, time.monotonic()
            for share in (0.1, 0.9):
                if done >= share * count:
                    marks.setdefault(share, (done, now))
            if len(marks) == 2:
                (low, start), (high, stop) = marks[0.1], marks[0.9]
                return (high - low) / (stop - start) if stop > start else 0.0
            time.sleep(0.05)
        raise TimeoutError(f"{counter} has reached {done} of {count}")


def measure(mqload, seconds, count=200_000):
    """{row: figures}; a dictionary of mqload's for the first one, messages a second for the others."""
    rabbit = RabbitMQ()
    nodes = []
    try:
        nodes.append(one := Node(rabbit, "one", outbound=["mqload/#"]))
        nodes.append(two := Node(rabbit, "two", inbound=["mqload/#"]))
        roots = {"one": one.broker.pid, "two": two.broker.pid, "RabbitMQ": rabbit.process.pid}
        before = {name: cpu_seconds(root) for name, root in roots.items()}
        started = time.monotonic()
        line = subprocess.run(
            [mqload, "-m", "pairs", "-n", "10", "-q", "1", "-w", "200", "-d", str(seconds), "-p", str(one.broker.port()),
             "-s", str(two.broker.port())], capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        through = {key: float(value) for key, value in (word.split("=") for word in line.split()) if key != "mode"}
        through["cores"] = {name: (cpu_seconds(root) - before[name]) / (time.monotonic() - started)
                            for name, root in roots.items()}
        # Each direction alone.
        two.change(inbound=[])
        load = subprocess.Popen(
            [mqload, "-m", "pairs", "-n", "10", "-q", "1", "-r", "50000", "-d", str(count / 50000), "-p",
             str(one.broker.port())], stdout=subprocess.DEVNULL)
        out = one.rate("bridge_messages_sent", count)
        load.wait()
        wait_until(lambda: one.broker.counted("bridge_waiting") == 0, "everything to be at RabbitMQ", 60)
        # Durable sessions, whose clients come back.
        arguments = ["-n", "10", "-q", "1", "-p", str(two.broker.port())]
        subprocess.run([mqload, "-m", "queue", "-c", "10", *arguments], check=True, stdout=subprocess.DEVNULL)
        drain = subprocess.Popen([mqload, "-m", "drain", "-c", str(count), *arguments], stdout=subprocess.DEVNULL)
        two.change(inbound=["mqload/#"])
        back = two.rate("bridge_messages_received", count)
        drain.wait()
        return {"through": through, "to RabbitMQ": out, "from RabbitMQ": back}
    finally:
        for node in nodes:
            node.broker.discard()
        rabbit.close()


def report(found):
    through = found["through"]
    cores = ", ".join(f"{name} {value:.2f}" for name, value in through["cores"].items())
    wrong = "/".join(f"{through[key]:.0f}" for key in WRONG)
    return "\n".join([
        f"through RabbitMQ, broker one to broker two: {through['msgs_per_s']:,.0f} messages/s, p50 {through['p50_us'] / 1e3:.0f} ms, "
        f"lost/dup/ooo {wrong}; cores: {cores}",
        f"to RabbitMQ, each confirmed: {found['to RabbitMQ']:,.0f} messages/s",
        f"from RabbitMQ to durable sessions, each acknowledged: {found['from RabbitMQ']:,.0f} messages/s"])
