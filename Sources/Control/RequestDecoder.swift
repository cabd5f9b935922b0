// The server's side of a control connection: bytes in as they arrive, requests out. The supervisor keeps one of these
// for each connection; nothing in here is fatal.

/// Takes the bytes of one control connection as they arrive and yields the requests in them.
package struct RequestDecoder {
    private var lines: LineBuffer

    /// Whether the connection can not be used any more, because a line passed the limit: answer and close it.
    package private(set) var isBroken = false

    /// - Parameter limit: the most bytes of one request.
    package init(limit: Int = maximumRequestSize) {
        lines = LineBuffer(limit: limit)
    }

    /// Adds bytes that were read. Call ``next()`` until it returns nil before reading more: that is what bounds the
    /// memory that this holds, to the limit and one read.
    package mutating func receive(_ bytes: Span<UInt8>) {
        if !isBroken { lines.append(bytes) }
    }

    /// The next whole request, nil where more bytes are needed.
    ///
    /// Throws what to answer to a request that is not one; the connection goes on, unless ``isBroken``.
    package mutating func next() throws(Refusal) -> Request? {
        guard !isBroken else { return nil }
        let line: [UInt8]?
        do {
            line = try lines.next()
        } catch {
            isBroken = true
            throw Refusal(.requestTooLarge, "the request is longer than \(lines.limit) bytes")
        }
        guard let line else { return nil }
        do {
            return try JSON.decode(Request.self, from: line)
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(.badRequest, "the request is not understood: \(describe(error))")
        }
    }
}

/// A `DecodingError` in words: what is wrong with which key.
func describe(_ error: any Error) -> String {
    func key(_ context: DecodingError.Context) -> String? {
        context.codingPath.last.map { "“\($0.stringValue)”" }
    }
    switch error {
    case DecodingError.keyNotFound(let missing, _):
        return "“\(missing.stringValue)” is missing"
    case DecodingError.valueNotFound(_, let context):
        if let key = key(context) { return "\(key) is null" }
    case DecodingError.typeMismatch(let type, let context):
        if let key = key(context) { return "\(key) is not of type \(type)" }
    default: break
    }
    return "it is not a JSON object, or a number in it is out of its range"
}
