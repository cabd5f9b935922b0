// Bytes on their way in or out. Running out of memory is fatal.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef unsigned char Byte;
typedef struct {
    Byte *bytes;
    size_t length, capacity;
} Buffer;

static inline void *resized(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory) fail("out of memory");
    return memory;
}
static inline Byte *append(Buffer *buffer, size_t length) {
    if (buffer->length + length > buffer->capacity) {
        buffer->capacity = (buffer->length + length) * 2;
        buffer->bytes = resized(buffer->bytes, buffer->capacity);
    }
    buffer->length += length;
    return buffer->bytes + buffer->length - length;
}
static inline void append_bytes(Buffer *buffer, const void *bytes, size_t length) {
    if (length) memcpy(append(buffer, length), bytes, length);
}
static inline void consume(Buffer *buffer, size_t length) {
    buffer->length -= length;
    if (buffer->length) memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

static inline Byte *put16(Byte *p, unsigned value) {
    *p++ = (Byte)(value >> 8);
    *p++ = (Byte)value;
    return p;
}
static inline unsigned get16(const Byte *p) {
    return (unsigned)p[0] << 8 | p[1];
}
