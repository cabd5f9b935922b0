// JSON requests and what the broker answers. The broker writes its keys in one order and without spaces, and nothing
// that steady sends needs escapes, so the answers are found by comparing text; any other answer is unexpected.
#define _GNU_SOURCE
#include "json.h"

#include <stdarg.h>
#include <stdio.h>

#include "client.h"
#include "websocket.h"

__attribute__((format(printf, 2, 3))) static void request(Connection *c, const char *format, ...) {
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    size_t length = (size_t)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(websocket_frame(c, TEXT, length), text, length);
}

void json_connect(Connection *c) {
    char id[NAME_LENGTH];
    client_id(c, id);
    request(c, "{\"Action\":\"connect\",\"ClientId\":\"%s\",\"Id\":\"connect\"}", id);
}
void json_subscribe(Connection *c, const char *filter) {
    request(c, "{\"Action\":\"subscribe\",\"Topic\":\"%s\",\"QoS\":%d,\"Id\":\"subscribe\"}", filter, c->qos);
}
void json_publish(Connection *c, const char *topic, const char *payload, int qos, unsigned id) {
    char wanted[24] = "";
    if (qos) snprintf(wanted, sizeof wanted, ",\"Id\":%u", id);
    request(c, "{\"Action\":\"publish\",\"Topic\":\"%s\",\"Payload\":\"%s\",\"QoS\":%d%s}", topic, payload, qos,
            wanted);
}
void json_ping(Connection *c) {
    request(c, "{\"Action\":\"ping\",\"Id\":\"ping\"}");
}
void json_close(Connection *c) {
    put16(websocket_frame(c, CLOSE, 2), 1000);
}

void take_json(Connection *c, const char *text, size_t length) {
    static const char message[] = "{\"Topic\":", ack[] = "{\"Action\":\"ack\",\"Id\":", payload[] = "\"Payload\":\"";
    const char *end = text + length;
    if (length > sizeof message && !memcmp(text, message, sizeof message - 1)) {
        const char *start = memmem(text, length, payload, sizeof payload - 1);
        if (!start) return unexpected(c, "a message without a payload");
        start += sizeof payload - 1;
        const char *quote = memchr(start, '"', (size_t)(end - start));
        return delivered(c, start, (size_t)((quote ? quote : end) - start));
    }
    if (length > sizeof ack && !memcmp(text, ack, sizeof ack - 1)) {
        const char *id = text + sizeof ack - 1;
        if (!strncmp(id, "\"connect\"}", 10)) return greeted(c, false);
        if (!strncmp(id, "\"subscribe\"}", 12)) return subscribed(c, true);
        if (!strncmp(id, "\"ping\"}", 7)) return answered(c);
        return acknowledged(c, TAKEN, (unsigned)strtoul(id, NULL, 10), true);
    }
    char what[96];
    snprintf(what, sizeof what, "%.*s", (int)(length < 80 ? length : 80), text);
    unexpected(c, what);
}
