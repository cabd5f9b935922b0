// Rows as they are read back: many at once, their bytes in one buffer, so that a page costs few allocations.

/// A piece of a session's queue, in order.
package struct QueuePage: Sendable {
    package let session: UInt32
    package internal(set) var rows: [QueuedRow] = []
    /// No entry lay behind these when they were read.
    package internal(set) var isEnd = false
    /// Of every row: the identifiers, then topic, payload and properties.
    package internal(set) var contents: [UInt8] = []

    /// The subscription identifiers that go with a row.
    @_lifetime(borrow self)
    package func identifiers(of row: QueuedRow) -> RawSpan {
        contents.span.raw.extracting(row.offset..<row.offset + row.identifiersLength)
    }

    /// Topic, payload and properties of a row.
    @_lifetime(borrow self)
    package func bytes(of row: QueuedRow) -> RawSpan {
        let start = row.offset + row.identifiersLength
        return contents.span.raw.extracting(start..<start + row.byteCount)
    }
}

/// An entry of a queue; its bytes lie in its page.
package struct QueuedRow: Equatable, Sendable {
    package var sequence: UInt64
    package var head: EntryHead
    package var message: MessageHead
    /// Where the identifiers begin in the page's contents; the message follows them.
    package var offset: Int
    package var identifiersLength: Int
    /// Of topic, payload and properties.
    package var byteCount: Int
}

/// A piece of the retained messages, in no order that means anything.
package struct RetainedPage: Sendable {
    package internal(set) var rows: [RetainedRow] = []
    /// Where the next piece begins: what `requestRetained(after:)` takes.
    package internal(set) var next: UInt64 = 0
    package internal(set) var isLast = false
    package internal(set) var contents: [UInt8] = []

    /// Topic, payload and properties of a row.
    @_lifetime(borrow self)
    package func bytes(of row: RetainedRow) -> RawSpan {
        contents.span.raw.extracting(row.offset..<row.offset + row.byteCount)
    }
}

/// A retained message; its bytes lie in its page.
package struct RetainedRow: Equatable, Sendable {
    package var qos: UInt8
    /// The router's; opaque.
    package var stamp: UInt64
    package var message: MessageHead
    package var offset: Int
    package var byteCount: Int
}

extension Span<UInt8> {
    /// The same bytes as memory.
    var raw: RawSpan {
        @_lifetime(copy self)
        get {
            // Octets have no padding that could be uninitialized.
            unsafe bytes
        }
    }
}
