// Properties of the codec that hold for all packets: what is written is read again, what is cut off or damaged is
// refused and never fatal, and nothing beyond a packet's end is looked at.

import MQTT
import Testing

@Suite struct RandomTests {
    static let seed: UInt64 = 0x6170_7573

    /// Every type in every version and direction that has it, `count` times.
    static func forEachKind(
        _ count: Int, _ body: (inout SplitMix64, PacketType, ProtocolVersion, Sender) throws -> Void
    ) throws {
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        for type in PacketType.allCases {
            for version in ProtocolVersion.allCases where type != .auth || version == .v5 {
                for sender in Sender.allCases where type.isSent(by: sender) {
                    if type == .disconnect, sender == .server, version != .v5 { continue }
                    for _ in 0..<count { try body(&random, type, version, sender) }
                }
            }
        }
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        try Self.forEachKind(200) { random, type, version, sender in
            let packet = random.packet(type, version, from: sender)
            let bytes = packet.encoded(version)
            let read = try decode(bytes, version: version, from: sender)
            #expect(read == packet, "\(version) \(bytes)")
        }
    }

    @Test func nothingBehindAPacketIsRead() throws {
        try Self.forEachKind(20) { random, type, version, sender in
            let packet = random.packet(type, version, from: sender)
            let before = random.binary()
            let bytes = before + packet.encoded(version) + random.binary()
            let read = try decode(bytes, at: before.count, version: version, from: sender)
            #expect(read == packet)
        }
    }

    /// As a stream: the packet is waited for until its last byte is there.
    @Test func everyPrefixIsWaitedFor() throws {
        try Self.forEachKind(5) { random, type, version, sender in
            let bytes = random.packet(type, version, from: sender).encoded(version)
            let header = try #require(try MQTTTests.header(bytes, version))
            #expect(header.packetLength == bytes.count)
            for count in bytes.indices {
                let prefix = Array(bytes[..<count])
                let read = try decode(prefix, version: version, from: sender)
                #expect(read == nil)
                // A caller who does not wait is refused; but a ping is nothing beyond its header.
                if type == .pingreq || type == .pingresp { continue }
                let error = #expect(throws: ProtocolError.self) {
                    _ = try Packet(decoding: prefix.span, at: 0, header: header, version: version, from: sender)
                }
                #expect(error?.reason == .malformedPacket)
            }
        }
    }

    /// The remaining length lies: what is read then is refused, or is a packet of its own.
    @Test func everyShorterLengthIsHandled() throws {
        var refused = 0
        try Self.forEachKind(5) { random, type, version, sender in
            let bytes = random.packet(type, version, from: sender).encoded(version)
            let header = try #require(try MQTTTests.header(bytes, version))
            for length in 0..<header.remainingLength {
                var shorter = [bytes[0]]
                VariableByteInteger.append(length, to: &shorter)
                shorter += bytes[header.headerLength..<(header.headerLength + length)]
                if !Self.survives(shorter, version, sender) { refused += 1 }
            }
        }
        #expect(refused > 1000)
    }

    @Test func damageIsNeverFatal() {
        print("seed \(Self.seed)")
        var random = SplitMix64(seed: Self.seed)
        let originals = Golden.all.map(\.bytes) + Malformed.all.map(\.bytes)
        var outcomes: [Bool: Int] = [:]
        for _ in 0..<100_000 {
            var bytes = random.pick(originals)
            for _ in 0..<random.pick([1, 1, 2, 5]) { Self.damage(&bytes, &random) }
            let version = random.pick(ProtocolVersion.allCases)
            outcomes[Self.survives(bytes, version, random.pick(Sender.allCases)), default: 0] += 1
        }
        // Both happen, or the damage would be too great or too small to show anything.
        #expect(outcomes[true, default: 0] > 1000)
        #expect(outcomes[false, default: 0] > 1000)
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[index] = random.pick([0, 1, 0x7F, 0x80, 0xFF])
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        default: bytes.remove(at: index)
        }
    }

    /// Whether the bytes are a packet; if so, it is the same packet once written and read again.
    private static func survives(_ bytes: [UInt8], _ version: ProtocolVersion, _ sender: Sender) -> Bool {
        guard let packet = try? decode(bytes, version: version, from: sender) else { return false }
        // CONNECT has its own version, and what it says is written without 3.1's meaningless flags.
        let encoded = packet.encoded(version)
        #expect((try? decode(encoded, version: version, from: sender)) == packet, "\(version) \(sender) \(bytes)")
        return true
    }
}
