// One JSON object at a time through simdjson, for Swift: its members, one after the other. Used by the WebSocket
// module's JSON parser only. No function throws, and none keeps a pointer that it is given.

#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A parser with its buffers, which grow to the longest text and stay.
typedef struct csj_parser csj_parser;

typedef enum __attribute__((enum_extensibility(closed))) {
    csj_result_member,  ///< the next member is there
    csj_result_end,     ///< the object has ended, and nothing but white space follows
    csj_result_invalid, ///< the text is not JSON (RFC 8259)
    csj_result_not_object,
    csj_result_too_deep,
    csj_result_no_memory,
} csj_result;

typedef enum __attribute__((enum_extensibility(closed))) {
    csj_kind_string,
    csj_kind_number,
    csj_kind_true,
    csj_kind_false,
    csj_kind_null,
    csj_kind_array,
    csj_kind_object,
} csj_kind;

/// A member of the object. The pointers hold until the next csj_begin.
typedef struct {
    const uint8_t *key; ///< unescaped
    size_t key_length;
    csj_kind kind;
    const uint8_t *text; ///< a string, unescaped; null for other kinds
    size_t length;
    const uint8_t *raw; ///< a string or a number as it was written; null for other kinds
    size_t raw_length;
} csj_member;

/// @return null where memory is short.
csj_parser *csj_create(void);

void csj_destroy(csj_parser *parser);

/// Begins with a text, which is copied.
/// @param depth how deeply values may be nested, the object itself being 1; at most 1000
/// @return csj_result_member where csj_next may be called
csj_result csj_begin(csj_parser *parser, const uint8_t *text, size_t length, size_t depth);

/// Reads the next member, all of it, so that what is not used is checked as well. After anything but csj_result_member only
/// csj_begin may be called.
csj_result csj_next(csj_parser *parser, csj_member *member);

#ifdef __cplusplus
}
#endif
