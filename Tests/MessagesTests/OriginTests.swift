import Testing

@testable import Messages

@Suite struct OriginTests {
    @Test(arguments: [0, 1, UInt64.max, 0x0123_4567_89AB_CDEF], [UInt8(0), 1, 2])
    func anIdentityIsItsText(_ number: UInt64, _ qos: UInt8) throws {
        let identity = MessageIdentity(number: number, qos: qos)
        #expect(MessageIdentity(text: identity.text) == identity)
    }

    @Test func whatItLooksLike() {
        let identity = MessageIdentity(number: 0x0123_4567_89AB_CDEF, qos: 2)
        #expect(String(decoding: identity.text, as: UTF8.self) == "0123456789abcdef.2")
        #expect(identity.property == [0x26, 0, 9] + Array("x-apus-id".utf8) + [0, 18] + identity.text)
    }

    @Test(arguments: [
        "", "0123456789abcdef", "0123456789abcdef.3", "0123456789abcdef,1", "0123456789ABCDEF.1", "0123456789abcdef.11",
        "0123456789abcde.1", "x123456789abcdef.1",
    ]) func textsThatAreNone(_ text: String) {
        #expect(MessageIdentity(text: Array(text.utf8)) == nil)
    }

    @Test(arguments: [1, 3, 255], [[], [1, 2, 3]] as [[UInt8]])
    func itIsAtTheEndOfTheProperties(_ length: Int, _ properties: [UInt8]) throws {
        let identity = MessageIdentity(number: .max - 1, qos: 1)
        let origin = try #require(MessageOrigin(identity, node: [UInt8](repeating: 65, count: length)))
        let bytes = properties + origin.encoded
        #expect(origin.encoded.count == origin.byteCount)
        #expect(try MessageOrigin(endOf: bytes.span.raw) == origin)
    }

    @Test func aNodeWithoutANameOrTooLongAOne() {
        let identity = MessageIdentity(number: 1, qos: 1)
        #expect(MessageOrigin(identity, node: []) == nil)
        #expect(MessageOrigin(identity, node: [UInt8](repeating: 65, count: 256)) == nil)
    }

    @Test(
        arguments: [
            [], [0], [1], [0, 0, 0, 0, 0, 0, 0, 0, 1, 65, 2], [0, 0, 0, 0, 0, 0, 0, 0, 3, 65, 1],
            [0, 0, 0, 0, 0, 0, 0, 1, 65, 1],
        ] as [[UInt8]]) func bytesThatAreNone(_ bytes: [UInt8])
    {
        #expect(throws: FrameError.self) { try MessageOrigin(endOf: bytes.span.raw) }
    }
}
