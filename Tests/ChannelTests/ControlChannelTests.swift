import EventLoop
import Glibc
import Messages
import Testing

@testable import Channel

@Suite struct ControlChannelTests {
    @Test func framesAndDescriptorsArriveInOrder() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        var other = ControlChannel(descriptor: ends.worker)
        let files = try (0..<descriptorsPerPacket).map { try source(of: UInt8($0)) }
        try one.send([1, 2, 3], descriptors: files)
        try one.send([4])
        for descriptor in files { close(descriptor) }

        let arrived = packet(&other)
        let first = try #require(arrived)
        #expect(first.bytes == [1, 2, 3])
        #expect(first.descriptors.map(byte) == (0..<descriptorsPerPacket).map { UInt8($0) })
        #expect(first.descriptors.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
        for descriptor in first.descriptors { close(descriptor) }
        let bytes = packet(&other)?.bytes
        #expect(bytes == [4])
        let waiting = isWaiting(&other)
        #expect(waiting)
    }

    @Test func lookingLeavesEverythingWhereItIs() throws {
        let ends = try ControlChannel.pair()
        do {
            var one = ControlChannel(descriptor: ends.supervisor)
            let file = try source(of: 42)
            try one.send([1], descriptors: [file, file])
            try one.send([2], descriptors: [file])
            close(file)
        }
        for _ in 0..<3 {
            let packets = try ControlChannel.look(into: ends.worker)
            #expect(packets.map(\.bytes) == [[1], [2]])
            #expect(packets.map(\.descriptors.count) == [2, 1])
            for packet in packets { for descriptor in packet.descriptors { close(descriptor) } }
        }
        var other = ControlChannel(descriptor: ends.worker)
        let first = packet(&other)?.bytes
        #expect(first == [1])
    }

    @Test func aFullSocketKeepsFramesAndTheirDescriptors() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        var other = ControlChannel(descriptor: ends.worker)
        let frame = [UInt8](repeating: 7, count: 32_768)
        var count = 0
        while !one.hasPending {
            try one.send(frame)
            count += 1
        }
        let file = try source(of: 42)
        try one.send([9], descriptors: [file])
        close(file)
        let done = try one.flush()
        #expect(!done)

        for _ in 0..<count {
            let bytes = packet(&other)?.bytes
            #expect(bytes == frame)
            _ = try one.flush()
        }
        let pending = one.hasPending
        #expect(!pending)
        let arrived = packet(&other)
        let last = try #require(arrived)
        #expect(last.bytes == [9])
        #expect(last.descriptors.map(byte) == [42])
        for descriptor in last.descriptors { close(descriptor) }
    }

    @Test func whatWaitsIsBounded() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        defer { close(ends.worker) }
        let frame = [UInt8](repeating: 7, count: controlPacketLimit)
        var sent = 0
        #expect(throws: SystemError("keep a control frame until the worker takes it", code: ENOBUFS)) {
            while true {
                try one.send(frame)
                sent += frame.count
            }
        }
        #expect(sent >= ControlChannel.pendingLimit && sent < ControlChannel.pendingLimit + 4 << 20)
    }

    @Test func aFrameBeyondTheLimitsIsRefused() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        var other = ControlChannel(descriptor: ends.worker)
        for (frame, descriptors) in [
            ([UInt8](repeating: 0, count: controlPacketLimit + 1), [Int32]()),
            ([], []),
            ([1], [Int32](repeating: 0, count: descriptorsPerPacket + 1)),
        ] {
            let error = #expect(throws: SystemError.self) { try one.send(frame, descriptors: descriptors) }
            #expect(error?.code == EMSGSIZE)
        }
        let waiting = isWaiting(&other)
        #expect(waiting)
    }

    @Test func aPacketBeyondTheLimitIsAnErrorForItsReceiver() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        defer { close(ends.worker) }
        let bytes = [UInt8](repeating: 1, count: controlPacketLimit + 1)
        #expect(unsafe send(ends.worker, bytes, bytes.count, 0) == bytes.count)
        let error = #expect(throws: SystemError.self) { try one.receive() }
        #expect(error?.code == EMSGSIZE)
    }

    @Test func theEndComesBehindWhatWasSent() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        do {
            var other = ControlChannel(descriptor: ends.worker)
            try other.send([5])
        }
        let bytes = packet(&one)?.bytes
        #expect(bytes == [5])
        guard case .ended = try one.receive() else {
            Issue.record("no end")
            return
        }
        let error = #expect(throws: SystemError.self) { try one.send([1]) }
        #expect(error?.code == EPIPE)
    }

    @Test func theEndIsSeenWhereFramesWereLeftUnread() throws {
        let ends = try ControlChannel.pair()
        var one = ControlChannel(descriptor: ends.supervisor)
        try one.send([1])
        close(ends.worker)
        guard case .ended = try one.receive() else {
            Issue.record("no end")
            return
        }
    }

    /// Copies of what arrived, because the macros of the tests can not take a channel.
    private func packet(_ channel: inout ControlChannel) -> ControlChannel.Packet? {
        guard case .packet(let packet) = try? channel.receive() else { return nil }
        return packet
    }

    private func isWaiting(_ channel: inout ControlChannel) -> Bool {
        guard case .wouldBlock = try? channel.receive() else { return false }
        return true
    }

    /// A descriptor from which this one byte can be read.
    private func source(of byte: UInt8) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw SystemError("create a pipe") }
        defer { close(ends[1]) }
        guard unsafe write(ends[1], [byte], 1) == 1 else { throw SystemError("write to a pipe") }
        return ends[0]
    }

    private func byte(from descriptor: Int32) -> UInt8? {
        var byte: UInt8 = 0
        return unsafe read(descriptor, &byte, 1) == 1 ? byte : nil
    }
}
