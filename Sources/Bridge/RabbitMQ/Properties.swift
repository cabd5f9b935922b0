// Envelopes as the library has them, and back.

internal import CRabbitMQ

extension amqp_bytes_t {
    /// A copy.
    var array: [UInt8] {
        guard let bytes = unsafe bytes else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: len))
    }

    var text: String { unsafe String(decoding: array, as: UTF8.self) }
}

extension [UInt8] {
    /// The bytes for the length of a call.
    func withBytes<Result>(_ body: (amqp_bytes_t) -> Result) -> Result {
        unsafe withUnsafeBytes { buffer in
            unsafe body(amqp_bytes_t(len: buffer.count, bytes: UnsafeMutableRawPointer(mutating: buffer.baseAddress)))
        }
    }
}

/// Memory for what one call is passed.
@safe
final class AMQPPool {
    private var pool = unsafe amqp_pool_t()

    init() { unsafe init_amqp_pool(&pool, 4096) }

    deinit { unsafe empty_amqp_pool(&pool) }

    private func array<Element>(of elements: [Element]) -> UnsafeMutablePointer<Element>? {
        guard !elements.isEmpty,
            let memory = unsafe amqp_pool_alloc(&pool, elements.count * MemoryLayout<Element>.stride)
        else { return nil }
        let typed = unsafe memory.bindMemory(to: Element.self, capacity: elements.count)
        unsafe typed.initialize(from: elements, count: elements.count)
        return unsafe typed
    }

    private func bytes(_ bytes: [UInt8]) -> amqp_bytes_t {
        unsafe amqp_bytes_t(len: bytes.count, bytes: UnsafeMutableRawPointer(array(of: bytes)))
    }

    private func value(_ value: HeaderValue) -> amqp_field_value_t {
        var field = unsafe amqp_field_value_t()
        switch value {
        case .text(let text):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
            unsafe field.value.bytes = bytes(text)
        case .bytes(let data):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_BYTES.rawValue)
            unsafe field.value.bytes = bytes(data)
        case .texts(let list):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_ARRAY.rawValue)
            let values = unsafe list.map { unsafe self.value(.text($0)) }
            unsafe field.value.array = amqp_array_t(num_entries: Int32(list.count), entries: array(of: values))
        case .boolean(let flag):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
            unsafe field.value.boolean = flag ? 1 : 0
        case .byte(let number):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_I8.rawValue)
            unsafe field.value.i8 = number
        case .integer(let number):
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
            unsafe field.value.i64 = number
        case .other:
            unsafe field.kind = UInt8(AMQP_FIELD_KIND_VOID.rawValue)
        }
        return unsafe field
    }

    /// Lasts as long as the pool.
    func table(_ headers: [Header]) -> amqp_table_t {
        let entries = unsafe headers.map { unsafe amqp_table_entry_t_(key: bytes($0.name), value: value($0.value)) }
        return unsafe amqp_table_t(num_entries: Int32(headers.count), entries: array(of: entries))
    }

    /// Lasts as long as the pool.
    func properties(_ envelope: Envelope) -> amqp_basic_properties_t {
        var properties = unsafe amqp_basic_properties_t()
        var flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG
        unsafe properties.headers = table(envelope.headers)
        unsafe properties.delivery_mode = envelope.isPersistent ? 2 : 1
        if let contentType = envelope.contentType {
            flags |= AMQP_BASIC_CONTENT_TYPE_FLAG
            unsafe properties.content_type = bytes(contentType)
        }
        if let encoding = envelope.contentEncoding {
            flags |= AMQP_BASIC_CONTENT_ENCODING_FLAG
            unsafe properties.content_encoding = bytes(encoding)
        }
        if let correlation = envelope.correlation {
            flags |= AMQP_BASIC_CORRELATION_ID_FLAG
            unsafe properties.correlation_id = bytes(correlation)
        }
        if let replyTo = envelope.replyTo {
            flags |= AMQP_BASIC_REPLY_TO_FLAG
            unsafe properties.reply_to = bytes(replyTo)
        }
        if let expiration = envelope.expiration {
            flags |= AMQP_BASIC_EXPIRATION_FLAG
            unsafe properties.expiration = bytes(expiration)
        }
        if let timestamp = envelope.timestamp {
            flags |= AMQP_BASIC_TIMESTAMP_FLAG
            unsafe properties.timestamp = timestamp
        }
        unsafe properties._flags = amqp_flags_t(flags)
        return unsafe properties
    }
}

extension Envelope {
    init(_ properties: amqp_basic_properties_t) {
        self.init()
        let flags = unsafe properties._flags
        func has(_ flag: Int32) -> Bool { flags & amqp_flags_t(flag) != 0 }
        if has(AMQP_BASIC_CONTENT_TYPE_FLAG) { contentType = unsafe properties.content_type.array }
        if has(AMQP_BASIC_CONTENT_ENCODING_FLAG) { contentEncoding = unsafe properties.content_encoding.array }
        if has(AMQP_BASIC_DELIVERY_MODE_FLAG) { isPersistent = unsafe properties.delivery_mode == 2 }
        if has(AMQP_BASIC_CORRELATION_ID_FLAG) { correlation = unsafe properties.correlation_id.array }
        if has(AMQP_BASIC_REPLY_TO_FLAG) { replyTo = unsafe properties.reply_to.array }
        if has(AMQP_BASIC_EXPIRATION_FLAG) { expiration = unsafe properties.expiration.array }
        if has(AMQP_BASIC_TIMESTAMP_FLAG) { timestamp = unsafe properties.timestamp }
        guard has(AMQP_BASIC_HEADERS_FLAG) else { return }
        let table = unsafe properties.headers
        headers = unsafe (0..<Int(table.num_entries)).map { index in
            unsafe Header(table.entries[index].key.array, HeaderValue(table.entries[index].value))
        }
    }
}

extension HeaderValue {
    init(_ field: amqp_field_value_t) {
        switch unsafe UnicodeScalar(field.kind) {
        case "S": self = unsafe .text(field.value.bytes.array)
        case "x": self = unsafe .bytes(field.value.bytes.array)
        case "t": self = unsafe .boolean(field.value.boolean != 0)
        case "b": self = unsafe .byte(field.value.i8)
        case "B": self = unsafe .integer(Int64(field.value.u8))
        case "s": self = unsafe .integer(Int64(field.value.i16))
        case "u": self = unsafe .integer(Int64(field.value.u16))
        case "I": self = unsafe .integer(Int64(field.value.i32))
        case "i": self = unsafe .integer(Int64(field.value.u32))
        case "l": self = unsafe .integer(field.value.i64)
        case "L": self = unsafe .integer(Int64(clamping: field.value.u64))
        case "T": self = unsafe .integer(Int64(clamping: field.value.u64))
        case "A":
            let list = unsafe field.value.array
            let values = unsafe (0..<Int(list.num_entries)).map { unsafe HeaderValue(list.entries[$0]) }
            let texts = values.compactMap { if case .text(let text) = $0 { text } else { nil } }
            self = texts.count == values.count ? .texts(texts) : .other
        default: self = .other
        }
    }
}
