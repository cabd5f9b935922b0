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
        let files = try (0..<descriptorsPerPacket).map { try memoryFile("f\($0)", byte: UInt8($0)) }
        try one.send([1, 2, 3], descriptors: files)
        try one.send([4])
        files.forEach { close($0) }

        let first = try #require(packet(&other))
        #expect(first.bytes == [1, 2, 3])
        #expect(first.descriptors.map(firstByte) == (0..<descriptorsPerPacket).map { UInt8($0) })
        #expect(first.descriptors.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
        first.descriptors.forEach { close($0) }
        #expect(packet(&other)?.bytes == [4])
        #expect(isWaiting(&other))
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
        let file = try memoryFile("late", byte: 42)
        try one.send([9], descriptors: [file])
        close(file)
        #expect(try !one.flush())

        for _ in 0..<count {
            #expect(packet(&other)?.bytes == frame)
            _ = try one.flush()
        }
        #expect(!one.hasPending)
        let last = try #require(packet(&other))
        #expect(last.bytes == [9])
        #expect(last.descriptors.map(firstByte) == [42])
        last.descriptors.forEach { close($0) }
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
        #expect(isWaiting(&other))
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
        #expect(packet(&one)?.bytes == [5])
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

    private func packet(_ channel: inout ControlChannel) -> ControlChannel.Packet? {
        guard case .packet(let packet) = try? channel.receive() else { return nil }
        return packet
    }

    private func isWaiting(_ channel: inout ControlChannel) -> Bool {
        guard case .wouldBlock = try? channel.receive() else { return false }
        return true
    }

    private func memoryFile(_ name: String, byte: UInt8) throws -> Int32 {
        let descriptor = unsafe memfd_create(name, 0)
        guard descriptor >= 0 else { throw SystemError("create a memory file") }
        var byte = byte
        guard unsafe pwrite(descriptor, &byte, 1, 0) == 1 else { throw SystemError("write a memory file") }
        return descriptor
    }

    private func firstByte(_ descriptor: Int32) -> UInt8 {
        var byte: UInt8 = 0
        return unsafe pread(descriptor, &byte, 1, 0) == 1 ? byte : 255
    }
}
