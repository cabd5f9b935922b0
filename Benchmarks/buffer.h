// Bytes on their way in or out, and what MQTT and WebSocket packets are made of. Running out of memory is fatal.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef unsigned char Byte;
typedef struct {
    Byte *bytes;
    size_t length, capacity;
} Buffer;

static inline void reserve(Buffer *buffer, size_t more) {
    if (buffer->length + more <= buffer->capacity) return;
    buffer->capacity = (buffer->length + more) * 2;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (!buffer->bytes) fail("out of memory");
}
static inline Byte *append(Buffer *buffer, size_t length) {
    reserve(buffer, length);
    buffer->length += length;
    return buffer->bytes + buffer->length - length;
}
static inline void consume(Buffer *buffer, size_t length) {
    buffer->length -= length;
    memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

static inline Byte *put16(Byte *p, unsigned value) {
    *p++ = (Byte)(value >> 8);
    *p++ = (Byte)value;
    return p;
}
static inline Byte *put_string(Byte *p, const char *text, size_t length) {
    p = put16(p, (unsigned)length);
    memcpy(p, text, length);
    return p + length;
}

// Room for one WebSocket frame from a client. A masking key of zeros is a valid one, and costs nothing.
static inline Byte *websocket_frame(Buffer *out, unsigned opcode, size_t length) {
    Byte *p = append(out, (length < 126 ? 6 : length < 65536 ? 8 : 14) + length);
    *p++ = (Byte)(0x80 | opcode);
    if (length < 126) {
        *p++ = (Byte)(0x80 | length);
    } else if (length < 65536) {
        *p++ = 0x80 | 126;
        p = put16(p, (unsigned)length);
    } else {
        *p++ = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) *p++ = (Byte)((uint64_t)length >> shift);
    }
    memset(p, 0, 4);
    return p + 4;
}
