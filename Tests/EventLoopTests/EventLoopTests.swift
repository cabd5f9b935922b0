// The loop's parts against the kernel: pipes, socketpairs, signals sent to this thread.

import Glibc
import Testing

@testable import EventLoop

@Suite struct PollerTests {
    @Test func tagsComeBackWithWhatIsReady() throws {
        var poller = try Poller(eventsPerTurn: 8)
        let (one, other) = try pipePair()
        defer { close(one) }
        try poller.add(one, .readable, tag: .max - 1)
        var count = try poller.wait(milliseconds: 0)
        #expect(count == 0)

        #expect(unsafe write(other, [1], 1) == 1)
        count = try poller.wait(milliseconds: 0)
        #expect(count == 1)
        let (tag, readiness) = (poller.tag(0), poller.readiness(0))
        #expect(tag == UInt64.max - 1)
        #expect(readiness == .readable)

        // Level-triggered: what is not read stays reported.
        count = try poller.wait(milliseconds: 0)
        #expect(count == 1)

        close(other)
        count = try poller.wait(milliseconds: 0)
        #expect(count == 1)
        let end = poller.readiness(0)
        #expect(end.contains(.readable) && !end.isDisjoint(with: .hangUp))
    }

    @Test func whatIsWatchedForCanChangeAndEnd() throws {
        var poller = try Poller(eventsPerTurn: 8)
        let (one, other) = try socketPair()
        defer {
            close(one)
            close(other)
        }
        try poller.add(one, .readable, tag: 1)
        try poller.modify(one, [.readable, .writable], tag: 2)
        var count = try poller.wait(milliseconds: 0)
        #expect(count == 1)
        let (tag, readiness) = (poller.tag(0), poller.readiness(0))
        #expect(tag == 2)
        #expect(readiness == .writable)
        poller.remove(one)
        count = try poller.wait(milliseconds: 0)
        #expect(count == 0)
    }

    @Test func aTurnReportsNoMoreThanItHasRoomFor() throws {
        var poller = try Poller(eventsPerTurn: 2)
        var ends: [Int32] = []
        defer { for end in ends { close(end) } }
        for index in 0..<3 {
            let (one, other) = try socketPair()
            ends += [one, other]
            try poller.add(one, .writable, tag: UInt64(index))
        }
        let count = try poller.wait(milliseconds: 0)
        #expect(count == 2)
    }

    @Test func whatCanNotBeWatchedIsNamed() throws {
        let poller = try Poller(eventsPerTurn: 1)
        do throws(SystemError) {
            // A number that no process has.
            try poller.add(1 << 30, .readable, tag: 0)
            Issue.record("a descriptor was watched that does not exist")
        } catch {
            #expect(error == SystemError("watch descriptor 1073741824", code: EBADF))
            #expect(error.description == "watch descriptor 1073741824: Bad file descriptor")
        }
    }
}

@Suite struct SignalTests {
    @Test func aSignalIsReadOnce() throws {
        let signals = try Signals([SIGUSR1, SIGUSR2])
        var next = signals.next()
        #expect(next == nil)
        // To this thread only: the others of the test run have not blocked it.
        pthread_kill(pthread_self(), SIGUSR2)
        next = signals.next()
        #expect(next == SIGUSR2)
        next = signals.next()
        #expect(next == nil)
    }
}

@Suite struct SocketTests {
    @Test func bytesArriveAsTheyWereSent() throws {
        let (one, other) = try socketPair()
        defer {
            close(one)
            close(other)
        }
        #expect(receive(from: other, 10) == (.wouldBlock, []))
        #expect(send(one, [1, 2, 3, 4, 5]) == .bytes(5))
        #expect(receive(from: other, 3) == (.bytes(3), [1, 2, 3]))
        #expect(receive(from: other, 3) == (.bytes(2), [4, 5]))
        #expect(receive(from: other, 3) == (.wouldBlock, []))
    }

    @Test func aFullSocketTakesAPartAndThenNothing() throws {
        let (one, other) = try socketPair()
        defer {
            close(one)
            close(other)
        }
        let bytes = [UInt8](repeating: 1, count: 4 << 20)
        guard case .bytes(let sent) = send(one, bytes) else {
            Issue.record("nothing was sent")
            return
        }
        #expect(sent > 0 && sent < bytes.count)
        #expect(send(one, bytes) == .wouldBlock)
    }

    @Test func theEndIsSeenBehindWhatWasSent() throws {
        let (one, other) = try socketPair()
        defer { close(other) }
        #expect(send(one, [7]) == .bytes(1))
        close(one)
        #expect(receive(from: other, 3) == (.bytes(1), [7]))
        #expect(receive(from: other, 3) == (.ended, []))
        // No signal either, which would end the test run.
        #expect(send(other, [1]) == .ended)
    }

    @Test func aBrokenDescriptorIsAFailure() throws {
        #expect(receive(from: -1, 1) == (.failed(EBADF), []))
        #expect(send(-1, [1]) == .failed(EBADF))
        #expect(unacknowledgedBytes(-1) == 0)
    }

    private func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Transfer {
        // Bytes have no padding, so every one of them may be read.
        EventLoop.send(descriptor, unsafe bytes.span.bytes)
    }

    private func receive(from descriptor: Int32, _ most: Int) -> (Transfer, [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: most)
        let transfer = fill(&bytes, descriptor)
        guard case .bytes(let count) = transfer else { return (transfer, []) }
        return (transfer, Array(bytes[..<count]))
    }

    private func fill(_ bytes: inout [UInt8], _ descriptor: Int32) -> Transfer {
        var elements = bytes.mutableSpan
        // Any bits make a byte.
        var span = unsafe elements.mutableBytes
        return EventLoop.receive(descriptor, into: &span)
    }
}

@Suite struct RegionTests {
    @Test func bytesStayAndMove() throws {
        let region = try Region(byteCount: 5000)
        defer { region.release() }
        #expect(region.byteCount == 8192)
        fill(region, 0, (0..<200).map { UInt8($0) })
        region.move(from: 0, to: 100, count: 200)
        #expect(bytes(region, 0, 300) == (0..<100).map { UInt8($0) } + (0..<200).map { UInt8($0) })
        region.move(from: 100, to: 50, count: 200)
        #expect(bytes(region, 50, 200) == (0..<200).map { UInt8($0) })
        #expect(bytes(region, 8192, 0) == [])
    }

    @Test func aCopyNamesTheSameMemory() throws {
        let region = try Region(byteCount: 1)
        defer { region.release() }
        let copy = region
        fill(region, 4095, [9])
        #expect(bytes(copy, 4094, 2) == [0, 9])
    }

    @Test func moreThanTheAddressSpaceIsAnError() {
        #expect(throws: SystemError("map 9223372036854771712 bytes of memory", code: ENOMEM)) {
            _ = try Region(byteCount: 9_223_372_036_854_771_712)
        }
    }

    private func fill(_ region: Region, _ offset: Int, _ bytes: [UInt8]) {
        var span = region.mutableSpan(offset, bytes.count)
        for (index, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: index, as: UInt8.self) }
    }

    private func bytes(_ region: Region, _ offset: Int, _ count: Int) -> [UInt8] {
        let span = region.span(offset, count)
        var bytes: [UInt8] = []
        // Within the span's bounds, and any bits make a byte.
        for index in 0..<count { bytes.append(unsafe span.unsafeLoad(fromByteOffset: index, as: UInt8.self)) }
        return bytes
    }
}

@Suite struct ClockTests {
    @Test func theClocksDoNotGoBack() {
        let (exact, coarse) = (monotonicMilliseconds(), coarseMilliseconds())
        // A tick is at most ten milliseconds; the coarse one is read second and may have been late.
        #expect(coarse + 10 >= exact)
        #expect(monotonicMilliseconds() >= exact)
        #expect(coarseMilliseconds() >= coarse)
    }
}

private func pipePair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    // The kernel writes two descriptors into an array of two.
    guard unsafe pipe(&ends) == 0 else { throw SystemError("create a pipe") }
    return (ends[0], ends[1])
}

private func socketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
    // As above.
    guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("create sockets") }
    return (ends[0], ends[1])
}
