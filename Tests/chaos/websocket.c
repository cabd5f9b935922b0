// WebSocket frames of a client: masked with zeros, which is a valid key and costs nothing. Pings are answered here; all
// else goes to mqtt.c or json.c, a close to disconnected().
#define _GNU_SOURCE
#include "websocket.h"

#include <stdio.h>

#include "client.h"
#include "json.h"
#include "mqtt.h"

void request_upgrade(Connection *c) {
    char request[320];
    int length = snprintf(
        request, sizeof request,
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: c3RlYWR5LXN0ZWFkeS0xNg==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        c->endpoint->version == JSON ? "" : "Sec-WebSocket-Protocol: mqtt\r\n");
    append_bytes(&c->out, request, (size_t)length);
}

Byte *websocket_frame(Connection *c, unsigned opcode, size_t length) {
    if (length > 65535) fail("a frame of %zu bytes", length);
    Byte *p = append(&c->out, (length < 126 ? 6 : 8) + length);
    *p++ = (Byte)(0x80 | opcode);
    *p++ = (Byte)(0x80 | (length < 126 ? length : 126));
    if (length >= 126) p = put16(p, (unsigned)length);
    memset(p, 0, 4);
    return p + 4;
}

// The payload of a data frame: a piece of a stream for MQTT, of a message for JSON.
static void take_data(Connection *c, const Byte *payload, size_t length, bool final) {
    if (c->endpoint->version == JSON && final && !c->message.length) return take_json(c, (const char *)payload, length);
    append_bytes(&c->message, payload, length);
    if (c->endpoint->version != JSON) {
        size_t used = take_mqtt(c, c->message.bytes, c->message.length);
        if (c->fd >= 0) consume(&c->message, used);
    } else if (final) {
        take_json(c, (const char *)c->message.bytes, c->message.length);
        c->message.length = 0;
    }
}

static void take_frame(Connection *c, unsigned first, const Byte *payload, size_t length) {
    char reason[64];
    switch (first & 15) {
    case CLOSE:
        snprintf(reason, sizeof reason, "WebSocket close %u", length < 2 ? 1005 : get16(payload));
        return disconnected(c, reason);
    case PING: memcpy(websocket_frame(c, PONG, length), payload, length); break;
    case PONG: break;
    default: take_data(c, payload, length, first & 0x80);
    }
}

size_t take_websocket(Connection *c, const Byte *bytes, size_t length) {
    size_t offset = 0;
    if (c->state == UPGRADING) {
        const Byte *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (length < 12 || memcmp(bytes, "HTTP/1.1 101", 12)) {
            disconnected(c, "no upgrade to WebSocket");
            return length;
        }
        offset = (size_t)(end + 4 - bytes);
        c->state = GREETING;
        greet(c);
    }
    while (c->fd >= 0 && length - offset >= 2) {
        const Byte *p = bytes + offset;
        size_t payload = p[1] & 127, header = payload < 126 ? 2 : payload == 126 ? 4 : 10;
        if (length - offset < header) break;
        if (header > 2) {
            payload = 0;
            for (size_t i = 2; i < header; i++) payload = payload << 8 | p[i];
        }
        if (length - offset < header + payload) break;
        take_frame(c, p[0], p + header, payload);
        offset += header + payload;
    }
    return offset;
}
