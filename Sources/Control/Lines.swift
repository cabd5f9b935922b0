// Values to lines and back: JSON by FoundationEssentials, lines cut from bytes as they arrive.

import FoundationEssentials

/// The line that carries this request, its line feed included.
package func encode(_ request: Request) -> [UInt8] {
    line(request)
}

/// The line that carries this part of an answer, its line feed included.
package func encode(_ response: Response) -> [UInt8] {
    line(response)
}

private func line(_ value: some Encodable) -> [UInt8] {
    // What can not be encoded is a number that is not finite: a defect, told to the other side and fatal to nobody.
    let broken = #"{"error":{"code":"internal-error","text":"the answer holds a number that is not finite"}}"#
    return ((try? JSON.encode(value)) ?? Array(broken.utf8)) + [UInt8(ascii: "\n")]
}

/// JSON as this module and apusctl write and read it.
package enum JSON {
    /// One line without spaces, keys in the order of the alphabet. Throws for numbers that are not finite.
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(value))
    }

    /// Throws a `DecodingError`, or what the type's own decoding throws.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}

/// Cuts lines out of bytes as they arrive, each of them bounded.
struct LineBuffer {
    let limit: Int
    private var bytes: [UInt8] = []
    /// Where the first line that was not taken starts.
    private var start = 0
    /// Up to where no line feed was found.
    private var searched = 0

    init(limit: Int) {
        self.limit = limit
    }

    mutating func append(_ input: Span<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
        bytes.reserveCapacity(bytes.count + input.count)
        for index in input.indices { bytes.append(input[index]) }
    }

    /// The next whole line that is not empty, without its line feed. Throws where the limit is passed.
    mutating func next() throws(LineTooLong) -> [UInt8]? {
        while true {
            let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n"))
            guard (end ?? bytes.count) - start <= limit else { throw LineTooLong() }
            guard let end else {
                searched = bytes.count
                return nil
            }
            let line = Array(bytes[start..<end])
            start = end + 1
            searched = start
            if !line.isEmpty { return line }
        }
    }

    struct LineTooLong: Error {}
}
