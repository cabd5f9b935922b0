"""MQTT by hand: packets built from bytes, well formed or not, over a plain socket.

For what client libraries hide or refuse to send. Where a library can do it, the tests use the library.
"""

import socket
import struct
import time
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = 8, 9, 10, 11, 12, 13, 14, 15
V31, V311, V5 = 3, 4, 5


class Packet(NamedTuple):
    type: int
    flags: int
    body: bytes

    @property
    def qos(self):
        return self.flags >> 1 & 3

    @property
    def retain(self):
        return bool(self.flags & 1)

    def publish(self, version=V311):
        """(topic, packet id or None, payload) of a PUBLISH."""
        length = int.from_bytes(self.body[:2], "big")
        topic, rest, packet_id = self.body[2:2 + length].decode(), self.body[2 + length:], None
        if self.qos:
            packet_id, rest = int.from_bytes(rest[:2], "big"), rest[2:]
        if version == V5:
            skip, used = read_varint(rest)
            rest = rest[used + skip:]
        return topic, packet_id, rest

    def properties(self):
        """The properties of a version 5 packet of a server, as read_properties has them; none where it is short."""
        start = {CONNACK: 2, DISCONNECT: 1, SUBACK: 2, UNSUBACK: 2}.get(self.type, 3)
        if self.type == PUBLISH:
            start = 2 + int.from_bytes(self.body[:2], "big") + (2 if self.qos else 0)
        return read_properties(self.body[start:])[0] if len(self.body) > start else []


def varint(value):
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (128 if value else 0))
        if not value:
            return bytes(encoded)


def read_varint(data):
    """(value, bytes used), or (None, 0) while bytes are missing."""
    value = 0
    for index, byte in enumerate(data[:4]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, index + 1
    return None, 0


# Bytes of the properties that are neither strings nor binary data; 0 is a variable byte integer.
PROPERTY_SIZES = {0x01: 1, 0x02: 4, 0x0B: 0, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2,
                  0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}


def read_properties(data):
    """([(identifier, value)], bytes used): numbers as int, strings and binary data as bytes, pairs as two of them."""
    length, used = read_varint(data)
    rest, found = data[used:used + length], []

    def take_text():
        nonlocal rest
        size = int.from_bytes(rest[:2], "big")
        value, rest = rest[2:2 + size], rest[2 + size:]
        return value

    while rest:
        identifier, rest = rest[0], rest[1:]
        size = PROPERTY_SIZES.get(identifier)
        if size:
            value, rest = int.from_bytes(rest[:size], "big"), rest[size:]
        elif size == 0:
            value, skip = read_varint(rest)
            rest = rest[skip:]
        else:
            value = (take_text(), take_text()) if identifier == 0x26 else take_text()
        found.append((identifier, value))
    return found, used + length


def u16(value):
    return struct.pack(">H", value)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return u16(len(value)) + value


def packet(first, body=b""):
    return bytes([first]) + varint(len(body)) + body


def properties(version, encoded=b""):
    return varint(len(encoded)) + encoded if version == V5 else b""


def connect(client_id="", version=V311, clean=True, keep_alive=0, props=b"", will=None, flags=None, protocol=None,
            will_props=b""):
    """will: (topic, payload, QoS, retain). flags and protocol replace what would be right."""
    bits = 2 * clean
    payload = text(client_id)
    if will:
        topic, message, qos, retain = will
        bits |= 4 | qos << 3 | retain << 5
        payload += properties(version, will_props) + text(topic) + text(message)
    name = protocol or (b"MQIsdp" if version == V31 else b"MQTT")
    return packet(0x10, text(name) + bytes([version, bits if flags is None else flags]) + u16(keep_alive)
                  + properties(version, props) + payload)


def publish(topic, payload=b"", qos=0, packet_id=1, retain=False, version=V311, props=b""):
    payload = payload if isinstance(payload, bytes) else payload.encode()
    return packet(0x30 | qos << 1 | retain, text(topic) + (u16(packet_id) if qos else b"")
                  + properties(version, props) + payload)


def subscribe(*filters, qos=0, packet_id=1, version=V311, props=b""):
    return packet(0x82, u16(packet_id) + properties(version, props)
                  + b"".join(text(name) + bytes([qos]) for name in filters))


def unsubscribe(*filters, packet_id=1, version=V311):
    return packet(0xA2, u16(packet_id) + properties(version) + b"".join(map(text, filters)))


class Wire:
    """One TCP connection. read() gives whole packets; None at the end of the stream."""

    def __init__(self, port, timeout=10.0, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.version = V311
        self._received = bytearray()

    def send(self, *data):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(b"".join(data))

    def _take(self):
        length, used = read_varint(self._received[1:])
        end = None if length is None else 1 + used + length
        if end is None or len(self._received) < end:
            return None
        first, body = self._received[0], bytes(self._received[1 + used:end])
        del self._received[:end]
        return Packet(first >> 4, first & 15, body)

    def read(self, timeout=None):
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        while not (found := self._take()):
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._received += data
        return found

    def expect(self, kind, timeout=None):
        """The next packet, which must be of that type."""
        found = self.read(timeout)
        assert found is not None and found.type == kind, f"expected a packet of type {kind}, got {found}"
        return found

    def wait_closed(self, timeout=5.0):
        """Reads to the end of the stream and returns the packets on the way; TimeoutError where it stays open."""
        deadline, found = time.monotonic() + timeout, []
        while packet_ := self.read(max(0.001, deadline - time.monotonic())):
            found.append(packet_)
        return found

    def connect(self, client_id="", version=V311, **options):
        """Sends CONNECT and returns the CONNACK, which must accept."""
        self.version = version
        self.send(connect(client_id, version, **options))
        answer = self.expect(CONNACK)
        assert answer.body[1] == 0, f"refused with {answer.body[1]:#x}"
        return answer

    def subscribe(self, *filters, qos=0, packet_id=1):
        self.send(subscribe(*filters, qos=qos, packet_id=packet_id, version=self.version))
        answer = self.expect(SUBACK)
        assert all(code <= 2 for code in answer.body[-len(filters):]), answer
        return answer

    def ping(self, timeout=None):
        """Seconds until PINGRESP."""
        start = time.monotonic()
        self.send(packet(PINGREQ << 4))
        self.expect(PINGRESP, timeout)
        return time.monotonic() - start

    def close(self):
        """Closes as a crash does: no DISCONNECT before it."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connected(port, client_id="", version=V311, timeout=10.0, receive_buffer=None, **options):
    wire = Wire(port, timeout, receive_buffer)
    wire.connect(client_id, version, **options)
    return wire
