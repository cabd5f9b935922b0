// Base64 (RFC 4648 §4), as SCRAM's messages and password files have it.

/// Between bytes and their text.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// What each character stands for; 255: nothing.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// The padded form.
    package static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var group = part.reduce(0) { $0 << 8 | UInt32($1) }
            group <<= UInt32(8 * (3 - part.count))
            for index in 0..<4 {
                text.append(
                    index <= part.count ? alphabet[Int(group >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return text
    }

    /// The bytes that a text stands for; nil unless it is padded, without white space, and sets no bit beyond the last byte.
    package static func decoded(_ text: some Collection<UInt8>) -> [UInt8]? {
        let characters = Array(text)
        guard characters.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: characters.count, by: 4) {
            var four = characters[start..<(start + 4)]
            if start + 4 == characters.count {
                while four.last == UInt8(ascii: "="), four.count > 2 { four.removeLast() }
            }
            var group: UInt32 = 0
            for character in four {
                let value = values[Int(character)]
                guard value < 64 else { return nil }
                group = group << 6 | UInt32(value)
            }
            group <<= UInt32(6 * (4 - four.count))
            let count = four.count - 1
            guard group & (1 << UInt32(24 - 8 * count) - 1) == 0 else { return nil }
            for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index))) }
        }
        return bytes
    }
}
