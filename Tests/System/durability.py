"""Clients that hold the broker to its word: publishers and subscribers with durable sessions that come back after every
disconnect, note what was acknowledged and what arrived, and compare.

Used by test_durability.py and test_store_faults.py. Traffic runs its clients in a thread of its own; check() raises
Loss with what was lost, doubled, out of order or false. MQTT 3.1.1 and 5, over plain sockets, because client libraries
hide what matters here: the packet identifiers, and the moment of an acknowledgement.
"""

import asyncio
import contextlib
import os
import signal
import threading
from random import Random, randrange

import wire as w
from broker import is_alive, wait_until

# Nothing is dropped for want of room: what is missing was lost.
ROOMY = {"queue_messages": 10_000_000, "queue_bytes": "4 GiB"}
# Longer than any test.
EXPIRY = b"\x11" + (3600).to_bytes(4, "big")


class Loss(AssertionError):
    """The broker has broken its promise."""


def scale(short, long):
    """Rounds of a test: short in make test, long in make soak, APUS_ROUNDS where that is set."""
    return int(os.environ.get("APUS_ROUNDS") or (long if os.environ.get("APUS_SOAK") else short))


def seeded():
    """A generator whose seed is printed; APUS_SEED repeats it."""
    seed = int(os.environ.get("APUS_SEED") or randrange(1 << 32))
    print(f"APUS_SEED={seed}")
    return Random(seed)


def kill_everything(broker):
    """SIGKILL for all processes at the same moment: none of them sees another die. Returns the folder."""
    processes = broker.processes()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    broker.process.wait(10)
    wait_until(lambda: not any(map(is_alive, processes)), "the end of all processes")
    return broker.take_folder()


def stop(broker):
    """SIGTERM. Returns the folder."""
    broker.signal(signal.SIGTERM)
    assert broker.process.wait(20) == 0, "\n".join(broker.log.all()[-30:])
    return broker.take_folder()


def kill_workers(broker, *names):
    """SIGKILL; returns when the next ones are ready."""
    killed = {name: broker.worker(name)["pid"] for name in names}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in killed.items():
        broker.wait_respawned(name, pid, 40)


def interrupt(broker, how, start, **options):
    """Ends the broker or its router, and returns the broker that goes on. how: stop | kill | router."""
    if how == "router":
        kill_workers(broker, "router")
        return broker
    return start(folder=(stop if how == "stop" else kill_everything)(broker), **options)


def payload(sequence):
    """Says which message it is; most are small, some fill pages of a database."""
    size = 6000 if sequence % 61 == 60 else sequence * 7919 % 300
    return b"%d " % sequence + bytes([97 + sequence % 26]) * size


def packets(buffer):
    """Takes the whole packets out of a bytearray."""
    offset = 0
    while len(buffer) - offset >= 2:
        length, used = w.read_varint(buffer[offset + 1:offset + 5])
        if length is None or len(buffer) < offset + 1 + used + length:
            break
        start = offset + 1 + used
        yield w.Packet(buffer[offset] >> 4, buffer[offset] & 15, bytes(buffer[start:start + length]))
        offset = start + length
    del buffer[:offset]


class Stream:
    """The messages of one publisher to one topic at one QoS: what the order of MQTT 5 §4.6 holds for.

    only: the number of the one subscriber that gets them; None: all do. A store may keep the two differently.
    """

    def __init__(self, name, publisher, qos, only=None):
        self.topic = f"{name}/{'all' if only is None else only}/{publisher}/{qos}"
        self.qos, self.only = qos, only
        self.published = 0
        self.acknowledged, self.refused = set(), set()


class Session:
    """A client with a durable session. It connects again whenever its connection ends, while it is wanted."""

    def __init__(self, traffic, client_id, version, receive_maximum=None):
        self.traffic, self.client_id, self.version = traffic, client_id, version
        self.properties = EXPIRY + (b"\x21" + w.u16(receive_maximum) if receive_maximum else b"")
        self.wanted, self.online = asyncio.Event(), asyncio.Event()
        self.wanted.set()
        self.is_known = False  # the broker has said that it has the session
        self.connections = 0
        self.writer = None

    async def run(self):
        while True:
            await self.wanted.wait()
            with contextlib.suppress(OSError, TimeoutError):
                await self.serve()
            self.online.clear()
            await asyncio.sleep(0.02)

    async def serve(self):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.traffic.port)
        try:
            self.send(w.connect(self.client_id, self.version, clean=False, props=self.properties))
            buffer = bytearray()
            async with asyncio.timeout(20):
                while not (found := list(packets(buffer))):
                    if not (data := await reader.read(1 << 16)):
                        return
                    buffer += data
            self.connected(found.pop(0))
            while True:
                for packet in found:
                    self.received(packet)
                if not (data := await reader.read(1 << 18)):
                    return
                buffer += data
                found = packets(buffer)
        finally:
            self.online.clear()
            self.disconnected()
            self.writer.transport.abort()

    def send(self, *data):
        if not self.writer.is_closing():
            self.writer.write(b"".join(data))

    def connected(self, connack):
        if connack.type != w.CONNACK or connack.body[1]:
            raise ConnectionError(f"{self.client_id} is refused: {connack}")
        is_present = bool(connack.body[0] & 1)
        if self.is_known and not is_present:
            self.traffic.error(f"{self.client_id}: its session was lost")
        self.is_known = True
        self.connections += 1
        self.resume(is_present)

    def disconnected(self):
        pass

    def leave(self, politely):
        self.wanted.clear()
        if self.online.is_set():
            if politely:
                self.send(w.packet(w.DISCONNECT << 4))
                self.writer.close()
            else:
                self.writer.transport.abort()

    def come_back(self):
        self.wanted.set()


class Publisher(Session):
    """Publishes while the traffic flows, as far as its window allows; sends again what was not acknowledged."""

    def __init__(self, traffic, number, version, window):
        super().__init__(traffic, f"{traffic.name}-p{number}", version)
        self.streams = [Stream(traffic.name, number, qos, only) for qos in (1, 2) for only in (None, number)]
        self.window, self.packet_id = window, 0
        self.in_flight = {}  # packet id: [PUBLISH, or None after its PUBREC; stream; sequence], in order of sending

    async def pace(self):
        while True:
            await asyncio.sleep(self.traffic.random.uniform(0.002, 0.02))
            if self.online.is_set() and self.traffic.flows:
                for _ in range(self.traffic.random.randint(1, self.window)):
                    if len(self.in_flight) < self.window:
                        self.publish(self.traffic.random.choice(self.streams))

    def publish(self, stream):
        while True:
            self.packet_id = self.packet_id % 65_535 + 1
            if self.packet_id not in self.in_flight:
                break
        sequence, stream.published = stream.published, stream.published + 1
        packet = w.publish(stream.topic, payload(sequence), stream.qos, self.packet_id, version=self.version)
        self.in_flight[self.packet_id] = [packet, stream, sequence]
        self.send(packet)

    def resume(self, is_present):
        for packet_id, (packet, _, _) in self.in_flight.items():
            if packet:
                self.send(bytes([packet[0] | 8]), packet[1:])  # the same again, marked as a repetition [MQTT-3.3.1-1]
            else:
                self.send(w.packet(0x62, w.u16(packet_id)))
        self.online.set()

    def received(self, packet):
        packet_id, code = int.from_bytes(packet.body[:2], "big"), packet.body[2] if len(packet.body) > 2 else 0
        if packet.type not in (w.PUBACK, w.PUBREC, w.PUBCOMP):
            if packet.type != w.DISCONNECT:
                self.traffic.error(f"{self.client_id}: got {packet}")
            return
        if packet_id not in self.in_flight:
            # A PUBREL is answered as often as it is asked, and so may be a PUBLISH that was repeated.
            return
        entry = self.in_flight[packet_id]
        publish, stream, sequence = entry
        if packet.type == w.PUBCOMP or (packet.type == w.PUBACK) != (stream.qos == 1):
            if publish:
                return self.traffic.error(f"{self.client_id}: {packet} does not answer its PUBLISH")
            del self.in_flight[packet_id]
        elif code >= 0x80:
            stream.refused.add(sequence)
            del self.in_flight[packet_id]
        else:
            if code == 0x10:
                self.traffic.error(f"{stream.topic}: {sequence} was acknowledged, but for no subscriber")
            # At QoS 2 the message is the broker's from PUBREC on.
            stream.acknowledged.add(sequence)
            if packet.type == w.PUBACK:
                del self.in_flight[packet_id]
            else:
                entry[0] = None
                self.send(w.packet(0x62, w.u16(packet_id)))


class Subscriber(Session):
    """Receives all streams as MQTT asks: at QoS 2 it keeps identifiers from PUBLISH to PUBREL, over all connections.

    linger: seconds that an acknowledgement waits at most.
    """

    def __init__(self, traffic, number, version, receive_maximum=None, linger=0.0):
        super().__init__(traffic, f"{traffic.name}-s{number}", version, receive_maximum)
        self.number = number
        self.linger, self.late = linger, []
        self.is_subscribed = asyncio.Event()
        self.identifiers = set()
        self.sequences = {}  # topic: what arrived, in order

    def resume(self, is_present):
        if not is_present:
            self.identifiers.clear()
        if is_present and self.is_subscribed.is_set():
            self.online.set()
        else:
            name = self.traffic.name
            self.send(w.subscribe(f"{name}/all/#", f"{name}/{self.number}/#", qos=2, version=self.version))

    def streams(self):
        return [stream for stream in self.traffic.streams if stream.only in (None, self.number)]

    def received(self, packet):
        if packet.type == w.PUBLISH:
            topic, packet_id, data = packet.publish(self.version)
            if packet.qos == 2:
                if packet_id not in self.identifiers:
                    self.identifiers.add(packet_id)
                    self.note(topic, data)
                self.acknowledge(0x50, packet_id)
            else:
                self.note(topic, data)
                self.acknowledge(0x40, packet_id)
        elif packet.type == w.PUBREL:
            packet_id = int.from_bytes(packet.body[:2], "big")
            self.identifiers.discard(packet_id)
            self.acknowledge(0x70, packet_id)
        elif packet.type == w.SUBACK:
            self.is_subscribed.set()
            self.online.set()
        elif packet.type not in (w.PINGRESP, w.DISCONNECT):
            self.traffic.error(f"{self.client_id}: got {packet}")

    def note(self, topic, data):
        sequence = int(data.split(b" ", 1)[0])
        if data != payload(sequence):
            self.traffic.error(f"{self.client_id}: {topic} {sequence} is not what was published")
        self.sequences.setdefault(topic, []).append(sequence)

    def acknowledge(self, first, packet_id):
        packet = w.packet(first, w.u16(packet_id))
        if not self.linger:
            return self.send(packet)
        if not self.late:
            asyncio.get_running_loop().call_later(self.traffic.random.uniform(0, self.linger), self.send_late)
        self.late.append(packet)

    def send_late(self):
        if self.late and self.online.is_set():
            self.send(*self.late)
        self.late.clear()

    def disconnected(self):
        self.late.clear()

    async def wander(self):
        while True:
            await asyncio.sleep(self.traffic.random.uniform(0.05, 0.6))
            if self.traffic.flows:
                self.leave(self.traffic.random.random() < 0.5)
                await asyncio.sleep(self.traffic.random.uniform(0.05, 0.8))
            self.come_back()


class Traffic:
    """Four publishers and five subscribers, each in its own way: prompt, slow, with a small window, coming and going,
    away. Flows from the start of the `with` block until finish()."""

    def __init__(self, port, chance, name):
        self.port, self.name = port, name
        self.random = Random(chance.random())  # its thread has its own
        self.flows, self.errors = False, []
        self.publishers, self.subscribers, self.tasks = [], [], []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def error(self, text):
        if text not in self.errors:
            self.errors.append(text)

    def __enter__(self):
        self.thread.start()
        try:
            self.call(self.start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def call(self, coroutine, timeout=120):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    async def start(self):
        self.publishers = [Publisher(self, number, (w.V311, w.V5)[number % 2], window)
                           for number, window in enumerate((1, 8, 32, 64))]
        self.subscribers = [
            Subscriber(self, 0, w.V311), Subscriber(self, 1, w.V5, linger=0.02),
            Subscriber(self, 2, w.V5, receive_maximum=5, linger=0.001), Subscriber(self, 3, w.V311, linger=0.01),
            Subscriber(self, 4, w.V5)]
        roamers = self.subscribers[3:]
        self.tasks = [asyncio.create_task(client.run()) for client in self.clients]
        async with asyncio.timeout(20):
            for client in self.clients:
                await client.online.wait()
        self.flows = True
        self.tasks += [asyncio.create_task(publisher.pace()) for publisher in self.publishers]
        self.tasks += [asyncio.create_task(subscriber.wander()) for subscriber in roamers]

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def clients(self):
        return self.publishers + self.subscribers

    @property
    def streams(self):
        return [stream for publisher in self.publishers for stream in publisher.streams]

    def acknowledged(self):
        return sum(len(stream.acknowledged) for stream in self.streams)

    def wait_flowing(self, more=50, timeout=30):
        """Waits until the broker has acknowledged some more messages."""
        before = self.acknowledged()
        wait_until(lambda: self.acknowledged() >= before + more or self.errors, "acknowledgements", timeout)

    def finish(self, patience=20):
        """Lets everything arrive, as long as something still does, and compares."""
        self.flows = False
        arrived = -1
        while not (self.is_settled() or self.errors) and arrived != (arrived := self.arrived()):
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: self.is_settled() or self.errors, "the last message", patience)
        self.check()
        assert self.is_settled(), f"not everything was acknowledged, and nothing more arrived in {patience} s"

    def arrived(self):
        return sum(len(sequences) for subscriber in self.subscribers for sequences in subscriber.sequences.values())

    def is_settled(self):
        return not any(publisher.in_flight for publisher in self.publishers) and all(
            subscriber.sequences.get(stream.topic, [-1])[-1] == stream.published - 1
            for subscriber in self.subscribers for stream in subscriber.streams() if stream.published)

    def check(self):
        found = list(self.errors)
        found += [f"{stream.topic}: {len(stream.refused)} messages were refused"
                  for stream in self.streams if stream.refused]
        for subscriber in self.subscribers:
            for stream in subscriber.streams():
                arrived = subscriber.sequences.get(stream.topic, [])
                found += [f"{subscriber.client_id}: {stream.topic}: {what}" for what in compare(stream, arrived)]
        if found:
            raise Loss("\n".join(found[:20]))


def compare(stream, arrived):
    """What is wrong with what arrived of a stream."""
    first_arrivals = list(dict.fromkeys(arrived))
    if lost := sorted(stream.acknowledged.difference(first_arrivals)):
        yield f"{len(lost)} of {len(stream.acknowledged)} acknowledged messages did not arrive: {lost[:5]} …"
    if unknown := [sequence for sequence in first_arrivals if sequence >= stream.published]:
        yield f"{unknown[:5]} … were never published"
    if back := [pair for pair in zip(first_arrivals, first_arrivals[1:]) if pair[0] > pair[1]]:
        yield f"out of order: {back[:5]} …"
    if stream.qos == 2 and len(arrived) > len(first_arrivals):
        yield f"{len(arrived) - len(first_arrivals)} messages arrived more than once"
