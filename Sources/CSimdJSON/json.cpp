// simdjson's On-Demand interface behind a C header. On-Demand gives values as they were written, which the DOM does
// not, but checks only what is looked at; so every value is walked to its end here.

#include "CSimdJSON.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <simdjson.h>

using namespace simdjson;

struct csj_parser {
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    ondemand::object_iterator member;
    uint8_t *buffer = nullptr;
    size_t capacity = 0; // without the padding that simdjson reads beyond the text
    size_t depth = 0;
    bool begun = false; // the iterator stands on a member that was given out

    ~csj_parser() { std::free(buffer); }
};

static csj_result result(error_code error) {
    switch (error) {
    case SUCCESS: return csj_result_member;
    case MEMALLOC: return csj_result_no_memory;
    case DEPTH_ERROR: return csj_result_too_deep;
    default: return csj_result_invalid;
    }
}

/// Checks a value and all within it.
static error_code walk(ondemand::value value, size_t depth) {
    ondemand::json_type type;
    if (auto error = value.type().get(type)) return error;
    switch (type) {
    case ondemand::json_type::object: {
        if (depth == 0) return DEPTH_ERROR;
        ondemand::object object;
        if (auto error = value.get_object().get(object)) return error;
        for (auto field : object) {
            std::string_view key;
            if (auto error = field.unescaped_key().get(key)) return error;
            ondemand::value inner;
            if (auto error = field.value().get(inner)) return error;
            if (auto error = walk(inner, depth - 1)) return error;
        }
        return SUCCESS;
    }
    case ondemand::json_type::array: {
        if (depth == 0) return DEPTH_ERROR;
        ondemand::array array;
        if (auto error = value.get_array().get(array)) return error;
        for (auto element : array) {
            ondemand::value inner;
            if (auto error = element.get(inner)) return error;
            if (auto error = walk(inner, depth - 1)) return error;
        }
        return SUCCESS;
    }
    case ondemand::json_type::string: return value.get_string().error();
    case ondemand::json_type::number: return value.get_double().error();
    case ondemand::json_type::boolean: return value.get_bool().error();
    case ondemand::json_type::null: {
        bool isNull = false;
        if (auto error = value.is_null().get(isNull)) return error;
        return isNull ? SUCCESS : N_ATOM_ERROR;
    }
    }
    return TAPE_ERROR;
}

/// What a token is without the white space that On-Demand counts with it.
static void set_raw(csj_member *member, std::string_view token) {
    size_t length = token.size();
    while (length > 0 && std::strchr(" \t\r\n", token[length - 1])) length--;
    member->raw = reinterpret_cast<const uint8_t *>(token.data());
    member->raw_length = length;
}

static error_code read(csj_parser *parser, ondemand::value value, csj_member *member) {
    ondemand::json_type type;
    if (auto error = value.type().get(type)) return error;
    member->text = member->raw = nullptr;
    member->length = member->raw_length = 0;
    switch (type) {
    case ondemand::json_type::string: {
        set_raw(member, value.raw_json_token());
        std::string_view text;
        if (auto error = value.get_string().get(text)) return error;
        member->kind = csj_kind_string;
        member->text = reinterpret_cast<const uint8_t *>(text.data());
        member->length = text.size();
        return SUCCESS;
    }
    case ondemand::json_type::boolean: {
        bool isTrue = false;
        if (auto error = value.get_bool().get(isTrue)) return error;
        member->kind = isTrue ? csj_kind_true : csj_kind_false;
        return SUCCESS;
    }
    case ondemand::json_type::number: set_raw(member, value.raw_json_token()); member->kind = csj_kind_number; break;
    case ondemand::json_type::null: member->kind = csj_kind_null; break;
    case ondemand::json_type::array: member->kind = csj_kind_array; break;
    case ondemand::json_type::object: member->kind = csj_kind_object; break;
    }
    return walk(value, parser->depth - 1);
}

csj_parser *csj_create(void) { return new (std::nothrow) csj_parser; }

void csj_destroy(csj_parser *parser) { delete parser; }

csj_result csj_begin(csj_parser *parser, const uint8_t *text, size_t length, size_t depth) {
    if (length > parser->capacity) {
        size_t capacity = parser->capacity > 0 ? parser->capacity : 1024;
        while (capacity < length) capacity *= 2;
        auto buffer = static_cast<uint8_t *>(std::realloc(parser->buffer, capacity + SIMDJSON_PADDING));
        if (!buffer) return csj_result_no_memory;
        parser->buffer = buffer;
        if (auto error = parser->parser.allocate(capacity)) return result(error);
        parser->capacity = capacity;
    }
    if (length == 0) return csj_result_invalid;
    std::memcpy(parser->buffer, text, length);
    std::memset(parser->buffer + length, ' ', SIMDJSON_PADDING);
    parser->depth = depth;
    parser->begun = false;

    padded_string_view padded(parser->buffer, length, length + SIMDJSON_PADDING);
    if (auto error = parser->parser.iterate(padded).get(parser->document)) return result(error);
    auto error = parser->document.get_object().get(parser->object);
    if (error == INCORRECT_TYPE) return csj_result_not_object;
    if (error) return result(error);
    return result(parser->object.begin().get(parser->member));
}

csj_result csj_next(csj_parser *parser, csj_member *member) {
    if (parser->begun) ++parser->member;
    parser->begun = true;
    if (parser->member == ondemand::object_iterator()) {
        // On-Demand stops at the closing brace; a second value behind it is an error of RFC 8259 §2 all the same.
        const char *rest;
        return parser->document.current_location().get(rest) == OUT_OF_BOUNDS ? csj_result_end : csj_result_invalid;
    }
    auto field = *parser->member;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return result(error);
    ondemand::value value;
    if (auto error = field.value().get(value)) return result(error);
    member->key = reinterpret_cast<const uint8_t *>(key.data());
    member->key_length = key.size();
    return result(read(parser, value, member));
}
