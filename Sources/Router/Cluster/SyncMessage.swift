// How brokers of a cluster find out what they have not in common of what is retained, as bytes. Values; nothing here is I/O.
// docs/protocol/cluster.md has the layout and the conversation.

import EventLoop
import Messages

/// A sum over what a broker has retained, in 256 parts by topic, so that little is told again where little differs.
struct RetainedDigest: Equatable {
    static let parts = 256
    private(set) var sums = [UInt64](repeating: 0, count: parts)

    static func part(of topic: Span<UInt8>) -> Int {
        var hash = StableHash()
        hash.add(topic)
        return Int(hash.value & UInt64(parts - 1))
    }

    /// In any order; twice is as never.
    mutating func add(_ topic: Span<UInt8>, stamp: UInt64) {
        var hash = StableHash()
        hash.add(stamp)
        hash.add(topic)
        sums[Self.part(of: topic)] ^= hash.value
    }

    /// The parts that another one has otherwise.
    func difference(_ other: RetainedDigest) -> Parts {
        var parts = Parts()
        for part in 0..<Self.parts where sums[part] != other.sums[part] { parts.insert(part) }
        return parts
    }

    /// Some of the parts.
    struct Parts: Equatable {
        fileprivate(set) var words = [UInt64](repeating: 0, count: RetainedDigest.parts / 64)
        var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
        func contains(_ part: Int) -> Bool { words[part >> 6] >> UInt64(part & 63) & 1 == 1 }
        mutating func insert(_ part: Int) { words[part >> 6] |= 1 << UInt64(part & 63) }
    }

    fileprivate static func words(_ message: RawSpan, _ count: Int) -> [UInt64] {
        (0..<count).map { message.load64(at: SyncMessage.headByteCount + 8 * $0) }
    }

    fileprivate init(_ message: RawSpan) { sums = Self.words(message, Self.parts) }
    init() {}
}

extension RetainedDigest.Parts {
    fileprivate init(_ message: RawSpan) { words = RetainedDigest.words(message, words.count) }
}

/// One turn of that conversation.
struct SyncMessage: Equatable {
    static let topic = Array("$apus/sync".utf8)
    static let version: UInt8 = 1
    static let headByteCount = 18

    enum Words: Equatable {
        /// To all: this is what I have.
        case ask(RetainedDigest)
        /// I have other things.
        case offer(RetainedDigest)
        /// Tell these parts.
        case send(RetainedDigest.Parts)
        /// I have, and this is what I have now.
        case sent(RetainedDigest)
    }

    /// Chosen by chance by each router.
    var sender: UInt64
    /// 0: all.
    var receiver: UInt64
    var words: Words

    var encoded: [UInt8] {
        let (kind, body): (UInt8, [UInt64]) =
            switch words {
            case .ask(let digest): (1, digest.sums)
            case .offer(let digest): (2, digest.sums)
            case .send(let parts): (3, parts.words)
            case .sent(let digest): (4, digest.sums)
            }
        var bytes = [Self.version, kind]
        for word in [sender, receiver] + body { bytes.append(integer: word) }
        return bytes
    }

    init(sender: UInt64, receiver: UInt64, _ words: Words) {
        self.sender = sender
        self.receiver = receiver
        self.words = words
    }

    /// nil: it is none that this broker makes.
    init?(_ message: RawSpan) {
        guard message.byteCount >= Self.headByteCount, message.load8(at: 0) == Self.version else { return nil }
        let kind = message.load8(at: 1)
        let length = kind == 3 ? RetainedDigest.parts / 64 : RetainedDigest.parts
        guard message.byteCount == Self.headByteCount + 8 * length else { return nil }
        sender = message.load64(at: 2)
        receiver = message.load64(at: 10)
        switch kind {
        case 1: words = .ask(RetainedDigest(message))
        case 2: words = .offer(RetainedDigest(message))
        case 3: words = .send(RetainedDigest.Parts(message))
        case 4: words = .sent(RetainedDigest(message))
        default: return nil
        }
    }
}
