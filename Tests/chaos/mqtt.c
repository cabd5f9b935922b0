// MQTT packets of a client. Each packet that arrives becomes a call of client.c; what is no answer to anything that was
// asked is counted as unexpected there.
#include "mqtt.h"

#include <stdio.h>

#include "client.h"
#include "websocket.h"

enum {
    CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK,
    PINGREQ = 12, PINGRESP, DISCONNECT
};

// Writes a packet's fixed header and returns where its body goes.
static Byte *packet(Connection *c, unsigned first, size_t body) {
    Byte header[5];
    size_t n = 0, rest = body;
    header[n++] = (Byte)first;
    do header[n++] = (Byte)((rest & 127) | (rest > 127 ? 128 : 0));
    while (rest >>= 7);
    Byte *p = c->endpoint->websocket ? websocket_frame(c, BINARY, n + body) : append(&c->out, n + body);
    memcpy(p, header, n);
    return p + n;
}

static Byte *put_string(Byte *p, const char *text) {
    size_t length = strlen(text);
    p = put16(p, (unsigned)length);
    memcpy(p, text, length);
    return p + length;
}

void mqtt_connect(Connection *c) {
    char id[NAME_LENGTH];
    client_id(c, id);
    bool five = c->endpoint->version == 5, expiry = five && c->durable;
    Byte *p = packet(c, CONNECT << 4, 12 + strlen(id) + (expiry ? 6 : five ? 1 : 0));
    p = put_string(p, "MQTT");
    *p++ = (Byte)c->endpoint->version;
    // What is called a clean start in version 5 begins no session that is kept: that is the expiry's.
    *p++ = c->durable ? 0 : 2;
    p = put16(p, (unsigned)options.keep_alive);
    if (five) *p++ = expiry ? 5 : 0;
    if (expiry) {
        *p++ = 0x11;
        p = put16(put16(p, 0), 3600);
    }
    put_string(p, id);
}

void mqtt_subscribe(Connection *c, const char *filter) {
    bool five = c->endpoint->version == 5;
    Byte *p = put16(packet(c, SUBSCRIBE << 4 | 2, 5 + strlen(filter) + five), 1);
    if (five) *p++ = 0;
    p = put_string(p, filter);
    *p = (Byte)c->qos;
}

void mqtt_publish(Connection *c, const char *topic, const char *payload, int qos, unsigned id, bool again) {
    size_t length = strlen(payload);
    bool five = c->endpoint->version == 5;
    unsigned first = PUBLISH << 4 | (again && qos ? 8 : 0) | (unsigned)qos << 1;
    Byte *p = packet(c, first, 2 + strlen(topic) + (qos ? 2 : 0) + five + length);
    p = put_string(p, topic);
    if (qos) p = put16(p, id);
    if (five) *p++ = 0;
    memcpy(p, payload, length);
}

static void answer(Connection *c, unsigned first, unsigned id) {
    put16(packet(c, first, 2), id);
}
void mqtt_release(Connection *c, unsigned id) {
    answer(c, PUBREL << 4 | 2, id);
}
void mqtt_ping(Connection *c) {
    packet(c, PINGREQ << 4, 0);
}
void mqtt_disconnect(Connection *c) {
    packet(c, DISCONNECT << 4, 0);
}

// The length of a packet or of its properties; moves p behind it, or to NULL where the bytes end before.
static size_t take_length(const Byte **p, const Byte *end) {
    size_t value = 0;
    for (int shift = 0; *p < end; shift += 7) {
        Byte b = *(*p)++;
        value |= (size_t)(b & 127) << shift;
        if (b < 128) return value;
    }
    *p = NULL;
    return 0;
}

static void take_publish(Connection *c, unsigned first, const Byte *p, const Byte *end) {
    int qos = first >> 1 & 3;
    unsigned id = 0;
    p += 2 + get16(p);
    if (qos) {
        id = get16(p);
        p += 2;
    }
    if (c->endpoint->version == 5) {
        size_t properties = take_length(&p, end);
        if (!p || properties > (size_t)(end - p)) return unexpected(c, "a PUBLISH that ends too early");
        p += properties;
    }
    if (qos == 2) answer(c, PUBREC << 4, id);
    if (qos < 2 || received(c, id)) delivered(c, (const char *)p, (size_t)(end - p));
    if (qos == 1) answer(c, PUBACK << 4, id);
}

static void take_packet(Connection *c, unsigned first, const Byte *p, const Byte *end) {
    bool five = c->endpoint->version == 5;
    size_t length = (size_t)(end - p);
    // The reason code of an acknowledgement in version 5; without one it is 0.
    unsigned reason = five && length > 2 ? p[2] : 0;
    char text[64];
    switch (first >> 4) {
    case CONNACK:
        snprintf(text, sizeof text, "CONNACK 0x%02x", p[1]);
        return p[1] ? disconnected(c, text) : greeted(c, p[0] & 1);
    case SUBACK:
        p += 2;
        if (five) {
            size_t properties = take_length(&p, end);
            if (!p || properties >= (size_t)(end - p)) return unexpected(c, "a SUBACK that ends too early");
            p += properties;
        }
        return subscribed(c, *p < 3);
    case PUBLISH: return take_publish(c, first, p, end);
    case PUBACK: return acknowledged(c, TAKEN, get16(p), reason < 0x80);
    case PUBREC: return acknowledged(c, RECEIVED, get16(p), reason < 0x80);
    case PUBCOMP: return acknowledged(c, COMPLETED, get16(p), reason < 0x80);
    case PUBREL:
        released(c, get16(p));
        return answer(c, PUBCOMP << 4, get16(p));
    case PINGRESP: return answered(c);
    case DISCONNECT:
        snprintf(text, sizeof text, "DISCONNECT 0x%02x", length ? p[0] : 0);
        return disconnected(c, text);
    default: unexpected(c, "a packet that no broker sends");
    }
}

size_t take_mqtt(Connection *c, const Byte *bytes, size_t length) {
    size_t offset = 0;
    const Byte *end = bytes + length;
    while (c->fd >= 0 && length - offset >= 2) {
        const Byte *p = bytes + offset + 1;
        size_t body = take_length(&p, end);
        if (!p || body > (size_t)(end - p)) break;
        take_packet(c, bytes[offset], p, p + body);
        offset = (size_t)(p + body - bytes);
    }
    return offset;
}
