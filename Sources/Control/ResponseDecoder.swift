// The client's side of a control connection: bytes in as they arrive, lines of answers out.

/// Takes the bytes of one control connection as they arrive and yields the lines of answers in them.
struct ResponseDecoder {
    private var lines = LineBuffer(limit: maximumResponseSize)

    mutating func receive(_ bytes: Span<UInt8>) {
        lines.append(bytes)
    }

    /// The next whole line, nil where more bytes are needed. Throws where the server does not speak this protocol.
    mutating func next() throws(ControlFailure) -> Response? {
        do {
            guard let line = try lines.next() else { return nil }
            return try JSON.decode(Response.self, from: line)
        } catch is LineBuffer.LineTooLong {
            throw .notUnderstood("a line is longer than \(maximumResponseSize) bytes")
        } catch {
            throw .notUnderstood(describe(error))
        }
    }
}
