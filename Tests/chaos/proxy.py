"""A broker's bad twin: passes on what Apus and its clients say, and falsifies it once. For Tests/chaos/selftest."""

import asyncio
import re
import time

PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, PINGRESP = 3, 4, 5, 6, 7, 13
OTHER_ID = 60_000  # an identifier that the broker does not use


class Packet:
    """An MQTT packet, or a WebSocket frame with JSON, as bytes; what a fault asks about it. The body is where its
    content begins; 0 for what is neither."""

    def __init__(self, data, body):
        self.data, self.type, self.qos, self.id = bytes(data), 0, 0, 0
        content = self.data[body:]
        if body >= 2 and content.startswith(b'{"'):
            self.type = PUBLISH if content.startswith(b'{"Topic"') else PUBACK if b'"ack","Id":' in content else 0
        elif body:
            self.type, self.qos = data[0] >> 4, data[0] >> 1 & 3
            if self.type == PUBLISH and self.qos:
                self.place = body + 2 + int.from_bytes(content[:2], "big")
                self.id = int.from_bytes(data[self.place:self.place + 2], "big")
            elif PUBACK <= self.type <= PUBCOMP:
                self.id = int.from_bytes(content[:2], "big")

    def with_id(self, number):
        data = bytearray(self.data)
        data[self.place:self.place + 2] = number.to_bytes(2, "big")
        return Packet(data, self.place)


def split_mqtt(buffer):
    """Takes the whole packets from the front of a buffer."""
    while len(buffer) >= 2:
        length, at = 0, 1
        while at < len(buffer) and at < 5:
            length |= (buffer[at] & 127) << 7 * (at - 1)
            at += 1
            if buffer[at - 1] < 128:
                break
        else:
            return
        if len(buffer) < at + length:
            return
        yield Packet(buffer[:at + length], at)
        del buffer[:at + length]


def split_frames(buffer):
    """The same for WebSocket frames of a server, all of them short, and its answer to the handshake before them."""
    if buffer.startswith(b"HTTP"):
        head = buffer.find(b"\r\n\r\n") + 4
        if head < 4:
            return
        yield Packet(buffer[:head], 0)
        del buffer[:head]
    while len(buffer) >= 4:
        head = 4 if buffer[1] == 126 else 2
        length = int.from_bytes(buffer[2:4], "big") if head == 4 else buffer[1]
        if len(buffer) < head + length:
            return
        yield Packet(buffer[:head + length], head)
        del buffer[:head + length]


class Proxy:
    """One fault, made once after it is armed, on whichever connection has the first packet that it fits."""

    def __init__(self, port, fault, is_json):
        self.target, self.fault, self.is_json = port, fault, is_json
        self.armed, self.victim, self.held, self.swallow = False, None, None, []

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self.target)
            connection = Connection(self, writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self.pump(reader, broker_writer, connection.up))
                both.create_task(self.pump(broker_reader, writer, connection.down))
        except asyncio.CancelledError:
            pass  # the run is over

    @staticmethod
    async def pump(reader, writer, handle):
        try:
            while data := await reader.read(65536):
                writer.write(handle(data))
        except ConnectionError:
            pass  # one side is gone, which the other is told
        finally:
            writer.close()


class Connection:
    def __init__(self, proxy, writer):
        self.proxy, self.writer, self.client_id = proxy, writer, ""
        self.from_client, self.from_broker = bytearray(), bytearray()

    @property
    def is_visitor(self):
        return "visitor" in self.client_id

    def up(self, data):
        """What the client says, without the answers to what it was only told by us."""
        if not self.client_id and (found := re.search(rb"chaos-[a-z0-9-]+", data)):
            self.client_id = found[0].decode()  # of CONNECT or connect, each sent at once
        if self.proxy.is_json:
            return data
        self.from_client += data
        kept = b""
        for packet in split_mqtt(self.from_client):
            if (self, packet.type, packet.id) in self.proxy.swallow:
                self.proxy.swallow.remove((self, packet.type, packet.id))
            else:
                kept += packet.data
        return kept

    def down(self, data):
        self.from_broker += data
        split = split_frames if self.proxy.is_json else split_mqtt
        return b"".join(sent.data for packet in split(self.from_broker) for sent in self.falsify(packet))

    def falsify(self, packet):
        proxy = self.proxy
        if not proxy.armed or proxy.victim not in (None, self):
            return [packet]
        return proxy.fault(self, packet)

    def done(self):
        self.proxy.armed = False

    def expect_answer(self, kind, number):
        """The answer that the client will give to what the broker did not send stays here."""
        self.proxy.swallow.append((self, kind, number))


# Faults: what is sent instead of a packet. But for those made for them they leave visitors alone.

def fits(connection, packet, kind, qos):
    return packet.type == kind and (kind != PUBLISH or packet.qos == qos) and not connection.is_visitor


def nothing(connection, packet):
    return [packet]


def drop(kind, qos=0):
    def fault(connection, packet):
        if not fits(connection, packet, kind, qos):
            return [packet]
        connection.done()
        return []

    return fault


def double(kind, qos=0, answer=None):
    def fault(connection, packet):
        if not fits(connection, packet, kind, qos):
            return [packet]
        connection.done()
        if answer:
            connection.expect_answer(answer, packet.id)
        return [packet, packet]

    return fault


def double_under_another_identifier(connection, packet):
    if not fits(connection, packet, PUBLISH, 2):
        return [packet]
    connection.done()
    connection.expect_answer(PUBREC, OTHER_ID)
    return [packet, packet.with_id(OTHER_ID)]


def swap(qos):
    def fault(connection, packet):
        if not fits(connection, packet, PUBLISH, qos):
            return [packet]
        proxy = connection.proxy
        if proxy.victim is None:
            proxy.victim, proxy.held = connection, packet
            return []
        connection.done()
        return [packet, proxy.held]

    return fault


def cut(client_id):
    """Ends the connection of a client whose identifier fits."""

    def fault(connection, packet):
        if not re.fullmatch(client_id, connection.client_id):
            return [packet]
        connection.done()
        connection.writer.transport.abort()
        return []

    return fault


def leave_unserved(connection, packet):
    """A visitor gets no acknowledgement."""
    if packet.type != PUBACK or not connection.is_visitor:
        return [packet]
    connection.done()
    return []


def stop(seconds):
    """Nothing comes from the broker for a while, on any connection."""

    def fault(connection, packet):
        connection.done()
        time.sleep(seconds)
        return [packet]

    return fault
