// One connection to RabbitMQ with one channel, of librabbitmq's. It belongs to one thread, which it may block: no longer than
// connect_timeout for a question, and for a write as long as the server takes nothing.

internal import CRabbitMQ
internal import EventLoop
internal import Glibc
internal import Messages

/// Why there is no connection, or none any more. The server's own words where it has said some.
struct ConnectionError: Error, CustomStringConvertible {
    let description: String
    /// Whether the server has closed the channel because of a message that was published to it, and would each time.
    let isAboutMessage: Bool

    init(_ description: String, isAboutMessage: Bool = false) {
        self.description = description
        self.isAboutMessage = isAboutMessage
    }
}

/// The methods of AMQP 0-9-1 that a server sends unasked: class and number. The library's macros have casts, which Swift does
/// not read.
private enum Method {
    static let connectionClose: UInt32 = 10 << 16 | 50
    static let blocked: UInt32 = 10 << 16 | 60
    static let unblocked: UInt32 = 10 << 16 | 61
    static let channelClose: UInt32 = 20 << 16 | 40
    static let cancel: UInt32 = 60 << 16 | 30
    static let publish: UInt32 = 60 << 16 | 40
    static let returned: UInt32 = 60 << 16 | 50
    static let ack: UInt32 = 60 << 16 | 80
    static let nack: UInt32 = 60 << 16 | 120
}

@safe
final class Connection {
    private static let channel: amqp_channel_t = 1
    /// AMQP 0-9-1 §1.3: what RabbitMQ says of a message that it can not take. That an exchange is missing, or that one may not
    /// publish to it, has other codes: it is not the message's fault.
    private static let preconditionFailed: UInt16 = 406

    private let state: amqp_connection_state_t
    private let exchange: [UInt8]
    /// Where it leads, for the log.
    let address: String

    /// Connects to one server.
    /// - Parameter purpose: what RabbitMQ's operator sees the connection called.
    init(_ settings: BridgeSettings, uri: String, purpose: String) throws(ConnectionError) {
        guard let state = unsafe amqp_new_connection() else { throw ConnectionError("no memory for a connection") }
        unsafe self.state = state
        exchange = Array(settings.exchange.utf8)
        // The library writes zeros into the text, and points into it.
        var text = Array(uri.utf8CString)
        let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
        unsafe buffer.initialize(from: &text, count: text.count)
        defer { unsafe buffer.deallocate() }
        var parts = unsafe amqp_connection_info()
        let code = unsafe amqp_parse_url(buffer, &parts)
        guard code == AMQP_STATUS_OK.rawValue else {
            address = "RabbitMQ"
            throw ConnectionError("the uri can not be read: \(Self.text(of: code))")
        }
        address = unsafe "\(String(cString: parts.host)):\(parts.port)"
        try unsafe open(parts, settings, purpose)
    }

    deinit { unsafe amqp_destroy_connection(state) }

    /// The socket, to be waited for.
    var descriptor: Int32 { unsafe amqp_get_sockfd(state) }

    private func open(
        _ parts: amqp_connection_info, _ settings: BridgeSettings, _ purpose: String
    ) throws(ConnectionError) {
        let socket = unsafe parts.ssl == 0 ? amqp_tcp_socket_new(state) : try secureSocket(settings)
        guard let socket = unsafe socket else { throw ConnectionError("no memory for a socket") }
        var patience = timeval(
            tv_sec: Int(settings.connectTimeout / 1000), tv_usec: Int(settings.connectTimeout % 1000) * 1000)
        unsafe amqp_set_handshake_timeout(state, &patience)
        unsafe amqp_set_rpc_timeout(state, &patience)
        let code = unsafe amqp_socket_open_noblock(socket, parts.host, parts.port, &patience)
        guard code == AMQP_STATUS_OK.rawValue else {
            throw ConnectionError("\(address) can not be reached: \(Self.text(of: code))")
        }
        var one: Int32 = 1
        _ = unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        try unsafe check(
            apus_amqp_login(
                state, parts.vhost, Int32(settings.heartbeat), parts.user, parts.password, purpose),
            "\(address) does not let the bridge in")
        unsafe amqp_channel_open(state, Self.channel)
        try check("open a channel")
        try declareExchange(settings)
    }

    private func secureSocket(_ settings: BridgeSettings) throws(ConnectionError) -> OpaquePointer? {
        guard let socket = unsafe amqp_ssl_socket_new(state) else { return nil }
        let authorities = settings.authorities.isEmpty ? "/etc/ssl/certs/ca-certificates.crt" : settings.authorities
        guard unsafe amqp_ssl_socket_set_cacert(socket, authorities) == AMQP_STATUS_OK.rawValue else {
            throw ConnectionError("the certificates in \(authorities) can not be used")
        }
        if !settings.certificate.isEmpty,
            unsafe amqp_ssl_socket_set_key(socket, settings.certificate, settings.key) != AMQP_STATUS_OK.rawValue
        {
            throw ConnectionError(
                "the certificate \(settings.certificate) with the key \(settings.key) can not be used")
        }
        unsafe amqp_ssl_socket_set_verify_peer(socket, 1)
        unsafe amqp_ssl_socket_set_verify_hostname(socket, settings.verifiesHost ? 1 : 0)
        _ = unsafe amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)
        return unsafe socket
    }

    private func declareExchange(_ settings: BridgeSettings) throws(ConnectionError) {
        let name = exchange
        let type = Array(settings.exchangeType.utf8)
        unsafe name.withBytes { name in
            unsafe type.withBytes { type in
                // passive: it has to be there; durable; neither deleted by itself nor internal.
                _ = unsafe amqp_exchange_declare(
                    state, Self.channel, name, type, settings.declaresExchange ? 0 : 1, 1, 0, 0, amqp_table_t())
            }
        }
        try check("the exchange \(settings.exchange)")
    }

    // MARK: publishing

    /// Has the server confirm every message from now on.
    func requestConfirms() throws(ConnectionError) {
        unsafe amqp_confirm_select(state, Self.channel)
        try check("publisher confirms")
    }

    /// Whether what is written waits until a packet is full: a message is three writes, and a server that is woken for each takes
    /// more of a processor for that than for the messages.
    func gather(_ gathers: Bool) {
        var value: Int32 = gathers ? 1 : 0
        _ = unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_CORK, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Whether what goes with a message is small enough: AMQP does not part it (AMQP 0-9-1 §4.2.6.1), and the server has said how
    /// large a frame may be.
    func check(_ envelope: Envelope) throws(Unmappable) {
        // A frame's head and end, class, weight and the body's size stand around the properties.
        let room = Int(unsafe amqp_get_frame_max(state)) - 20
        guard envelope.byteCount <= room else {
            throw Unmappable("properties of \(envelope.byteCount) bytes, more than AMQP's \(room)")
        }
    }

    /// Writes a message, as soon as the server takes it.
    func publish(key: [UInt8], _ envelope: Envelope, payload: [UInt8], isMandatory: Bool) throws(ConnectionError) {
        let pool = AMQPPool()
        var properties = unsafe pool.properties(envelope)
        let code = unsafe exchange.withBytes { exchange in
            unsafe key.withBytes { key in
                unsafe payload.withBytes { payload in
                    unsafe amqp_basic_publish(
                        state, Self.channel, exchange, key, isMandatory ? 1 : 0, 0, &properties, payload)
                }
            }
        }
        try check(code)
    }

    /// What a server says to a publisher.
    enum Answer {
        case confirmed(tag: UInt64, isMultiple: Bool)
        case refused(tag: UInt64, isMultiple: Bool)
        case unroutable(key: [UInt8], reason: String)
        /// It takes nothing for a while, and why; nil: it does again.
        case blocked(String?)
    }

    /// Takes one thing that the server has said; nil: nothing is there. Keeps the connection's heartbeat.
    func answer() throws(ConnectionError) -> Answer? {
        while true {
            unsafe amqp_maybe_release_buffers(state)
            var frame = unsafe amqp_frame_t()
            var none = timeval()
            let code = unsafe amqp_simple_wait_frame_noblock(state, &frame, &none)
            if code == AMQP_STATUS_TIMEOUT.rawValue { return nil }
            try check(code)
            guard unsafe frame.frame_type == UInt8(AMQP_FRAME_METHOD) else { continue }
            if let answer = unsafe try understand(frame.payload.method) { return answer }
        }
    }

    private func understand(_ method: amqp_method_t) throws(ConnectionError) -> Answer? {
        guard let decoded = unsafe method.decoded else { return nil }
        switch unsafe method.id {
        case Method.ack:
            let ack = unsafe decoded.assumingMemoryBound(to: amqp_basic_ack_t.self).pointee
            return .confirmed(tag: ack.delivery_tag, isMultiple: ack.multiple != 0)
        case Method.nack:
            let nack = unsafe decoded.assumingMemoryBound(to: amqp_basic_nack_t.self).pointee
            return .refused(tag: nack.delivery_tag, isMultiple: nack.multiple != 0)
        case Method.returned:
            let returned = unsafe decoded.assumingMemoryBound(to: amqp_basic_return_t.self).pointee
            let (key, reason) = unsafe (returned.routing_key.array, returned.reply_text.text)
            // The message itself follows.
            var message = unsafe amqp_message_t()
            try unsafe check(amqp_read_message(state, Self.channel, &message, 0), "a returned message")
            unsafe amqp_destroy_message(&message)
            return .unroutable(key: key, reason: reason)
        case Method.blocked:
            return unsafe .blocked(decoded.assumingMemoryBound(to: amqp_connection_blocked_t.self).pointee.reason.text)
        case Method.unblocked: return .blocked(nil)
        case Method.channelClose:
            let close = unsafe decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
            let culprit = unsafe UInt32(close.class_id) << 16 | UInt32(close.method_id)
            throw unsafe ConnectionError(
                "RabbitMQ has closed the channel: \(close.reply_text.text)",
                isAboutMessage: close.reply_code == Self.preconditionFailed && culprit == Method.publish)
        case Method.connectionClose:
            let close = unsafe decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
            throw unsafe ConnectionError("RabbitMQ has closed the connection: \(close.reply_text.text)")
        case Method.cancel: throw ConnectionError("RabbitMQ has ended the subscription: the queue is gone")
        default: return nil
        }
    }

    // MARK: consuming

    /// Declares and binds the queue, and has its messages sent.
    func consume(_ settings: BridgeSettings, bindings: [[UInt8]]) throws(ConnectionError) {
        let queue = Array(settings.queue.utf8)
        let pool = AMQPPool()
        var arguments: [Header] = []
        if settings.isQuorum { arguments.append(Header("x-queue-type", .text(Array("quorum".utf8)))) }
        if settings.queueTTL > 0 { arguments.append(Header("x-message-ttl", .integer(Int64(settings.queueTTL)))) }
        if settings.queueLength > 0 { arguments.append(Header("x-max-length", .integer(Int64(settings.queueLength)))) }
        let table = unsafe pool.table(arguments)
        unsafe queue.withBytes { queue in
            _ = unsafe amqp_queue_declare(state, Self.channel, queue, 0, 1, 0, 0, table)
        }
        try check("the queue \(settings.queue)")
        for binding in bindings {
            unsafe queue.withBytes { queue in
                unsafe exchange.withBytes { exchange in
                    unsafe binding.withBytes { binding in
                        _ = unsafe amqp_queue_bind(state, Self.channel, queue, exchange, binding, amqp_table_t())
                    }
                }
            }
            try check("bind the queue \(settings.queue) to the exchange \(settings.exchange)")
        }
        unsafe amqp_basic_qos(state, Self.channel, 0, settings.prefetch, 0)
        try check("the prefetch")
        unsafe queue.withBytes { queue in
            _ = unsafe amqp_basic_consume(state, Self.channel, queue, amqp_bytes_t(), 0, 0, 0, amqp_table_t())
        }
        try check("consume the queue \(settings.queue)")
    }

    /// Changes what the queue of a cluster's node is bound by.
    func perform(_ operation: Bindings.Operation, queue: String, _ keys: RoutingKeys) throws(ConnectionError) {
        func name(_ side: Bindings.Side) -> [UInt8] { Array("\(queue).\(side.rawValue)".utf8) }
        switch operation {
        case .declare(let side): try declareOwn(name(side), queue)
        case .bind(let filter, let side):
            guard let key = try? keys.binding(ofFilter: filter) else { return }
            unsafe withNames(name(side), key) { own, exchange, key in
                unsafe amqp_exchange_bind(state, Self.channel, own, exchange, key, amqp_table_t())
            }
        case .unbind(let filter, let side):
            guard let key = try? keys.binding(ofFilter: filter) else { return }
            unsafe withNames(name(side), key) { own, exchange, key in
                unsafe amqp_exchange_unbind(state, Self.channel, own, exchange, key, amqp_table_t())
            }
        case .delete(let side):
            unsafe name(side).withBytes { own in _ = unsafe amqp_exchange_delete(state, Self.channel, own, 0) }
        }
        try check("the bindings of the queue \(queue)")
    }

    private func withNames<Reply>(
        _ own: [UInt8], _ key: [UInt8],
        _ body: (amqp_bytes_t, amqp_bytes_t, amqp_bytes_t) -> UnsafeMutablePointer<Reply>?
    ) {
        unsafe own.withBytes { own in
            unsafe exchange.withBytes { exchange in
                unsafe key.withBytes { key in _ = unsafe body(own, exchange, key) }
            }
        }
    }

    /// An exchange that hands everything on to the queue, and that nobody can publish to.
    private func declareOwn(_ own: [UInt8], _ queue: String) throws(ConnectionError) {
        let (bytes, type) = (Array(queue.utf8), Array("fanout".utf8))
        unsafe own.withBytes { own in
            unsafe type.withBytes { type in
                _ = unsafe amqp_exchange_declare(state, Self.channel, own, type, 0, 1, 0, 1, amqp_table_t())
            }
        }
        try check("an exchange of the queue \(queue)")
        unsafe own.withBytes { own in
            unsafe bytes.withBytes { queue in
                _ = unsafe amqp_queue_bind(state, Self.channel, queue, own, amqp_bytes_t(), amqp_table_t())
            }
        }
    }

    /// A message of the queue's.
    struct Delivery: Sendable {
        var tag: UInt64
        var isRedelivered: Bool
        var key: [UInt8]
        var envelope: Envelope
        var payload: [UInt8]
    }

    /// Takes one message; nil: none is there. Keeps the connection's heartbeat.
    func delivery() throws(ConnectionError) -> Delivery? {
        unsafe amqp_maybe_release_buffers(state)
        var found = unsafe amqp_envelope_t()
        var none = timeval()
        let reply = unsafe amqp_consume_message(state, &found, &none, 0)
        if unsafe reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION {
            switch unsafe reply.library_error {
            case AMQP_STATUS_TIMEOUT.rawValue: return nil
            case AMQP_STATUS_UNEXPECTED_STATE.rawValue:
                // Something else than a message. What it means ends the connection, or is nothing to a consumer.
                _ = try answer()
                return nil
            default: break
            }
        }
        try unsafe check(reply, "a message")
        defer { unsafe amqp_destroy_envelope(&found) }
        return unsafe Delivery(
            tag: found.delivery_tag, isRedelivered: found.redelivered != 0, key: found.routing_key.array,
            envelope: Envelope(found.message.properties), payload: found.message.body.array)
    }

    func acknowledge(_ tag: UInt64, isMultiple: Bool) throws(ConnectionError) {
        try check(unsafe amqp_basic_ack(state, Self.channel, tag, isMultiple ? 1 : 0))
    }

    /// - Parameter returns: whether the message goes back into its queue, else it is dead: RabbitMQ drops it, or hands it to
    ///   the queue's dead-letter exchange.
    func refuse(_ tag: UInt64, isMultiple: Bool = false, returns: Bool) throws(ConnectionError) {
        try check(unsafe amqp_basic_nack(state, Self.channel, tag, isMultiple ? 1 : 0, returns ? 1 : 0))
    }

    /// Says goodbye.
    func close() { _ = unsafe amqp_connection_close(state, AMQP_REPLY_SUCCESS) }

    // MARK: errors

    private func check(_ what: String) throws(ConnectionError) { try unsafe check(amqp_get_rpc_reply(state), what) }

    private func check(_ code: Int32) throws(ConnectionError) {
        guard code != AMQP_STATUS_OK.rawValue else { return }
        throw ConnectionError("the connection to \(address) broke: \(Self.text(of: code))")
    }

    private func check(_ reply: amqp_rpc_reply_t, _ what: String) throws(ConnectionError) {
        switch unsafe reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            let method = unsafe reply.reply
            if let decoded = unsafe method.decoded {
                if unsafe method.id == Method.connectionClose {
                    let close = unsafe decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
                    throw unsafe ConnectionError("\(what): \(close.reply_text.text)")
                }
                if unsafe method.id == Method.channelClose {
                    let close = unsafe decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
                    throw unsafe ConnectionError("\(what): \(close.reply_text.text)")
                }
            }
            throw ConnectionError("\(what): RabbitMQ refuses")
        default: throw unsafe ConnectionError("\(what): \(Self.text(of: reply.library_error))")
        }
    }

    private static func text(of code: Int32) -> String {
        // The library's texts are constant.
        unsafe String(cString: amqp_error_string2(code))
    }
}
