// One end of a control channel: frames of the control family, one a packet, and the descriptors that they announce.
// Used by the supervisor for each worker, and by each worker at `controlDescriptor`. Nothing here is fatal; an error
// means that the channel can not go on.

private import CLinux
package import EventLoop
import Glibc
private import Messages

/// One end of a sequenced-packet socketpair. It never blocks, and is closed when the value ends.
package struct ControlChannel: ~Copyable {
    package let descriptor: Int32

    /// One frame and the descriptors that arrived with it, which now belong to the receiver (closed on exec).
    package struct Packet: Sendable {
        package var bytes: [UInt8]
        package var descriptors: [Int32]
    }

    package enum Received: Sendable {
        case packet(Packet)
        case wouldBlock
        /// The other end is closed or its process gone. Everything that it had sent was received before.
        case ended
    }

    /// The most bytes of frames that may wait to be sent. A peer that takes nothing for so long hangs.
    package static let pendingLimit = 4 << 20
    /// The most descriptors that may wait to be sent.
    package static let pendingDescriptorLimit = 4096

    private var pending: [Packet] = []
    private var pendingBytes = 0
    private var pendingDescriptors = 0
    /// Room for one packet, allocated once.
    private var buffer = [UInt8](repeating: 0, count: controlPacketLimit)
    private var arrived = [Int32](repeating: -1, count: descriptorsPerPacket)

    /// Whether what is pending waits for the receiver to take descriptors (ETOOMANYREFS), not for room in the socket:
    /// the socket is writable all the while, so try `flush` again after some milliseconds instead of watching it.
    package private(set) var waitsForDescriptors = false

    /// Takes over a connected SOCK_SEQPACKET socket, and makes it non-blocking and closed on exec.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit {
        for packet in pending { for descriptor in packet.descriptors { close(descriptor) } }
        close(descriptor)
    }

    /// A new pair of ends, both non-blocking and closed on exec.
    package static func pair() throws(SystemError) -> (supervisor: Int32, worker: Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // The kernel writes two descriptors into an array of two.
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("create a control channel") }
        return (ends[0], ends[1])
    }

    package var hasPending: Bool { !pending.isEmpty }

    /// Sends a frame, or keeps it where the socket takes no more now.
    ///
    /// `descriptors` stay the caller's, who may close them at once: those of a frame that is kept are duplicated.
    /// - Throws: EPIPE or ECONNRESET where the other end is gone, EMSGSIZE for a frame or a number of descriptors beyond
    ///   the catalogue's limits, ENOBUFS when more than the limits above would wait, EMFILE when a duplicate can not be
    ///   made. In no case was a part of the frame sent.
    package mutating func send(_ frame: [UInt8], descriptors: [Int32] = []) throws(SystemError) {
        guard !frame.isEmpty, frame.count <= controlPacketLimit, descriptors.count <= descriptorsPerPacket else {
            throw SystemError("send a control frame of \(frame.count) bytes", code: EMSGSIZE)
        }
        if pending.isEmpty, try transmit(frame, descriptors) { return }

        guard pendingBytes + frame.count <= Self.pendingLimit,
            pendingDescriptors + descriptors.count <= Self.pendingDescriptorLimit
        else { throw SystemError("keep a control frame until the worker takes it", code: ENOBUFS) }
        var duplicates: [Int32] = []
        for descriptor in descriptors {
            let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard duplicate >= 0 else {
                let error = SystemError("duplicate a descriptor that waits to be sent")
                for descriptor in duplicates { close(descriptor) }
                throw error
            }
            duplicates.append(duplicate)
        }
        pending.append(Packet(bytes: frame, descriptors: duplicates))
        pendingBytes += frame.count
        pendingDescriptors += duplicates.count
    }

    /// Sends a frame, or does not where the socket takes no more now.
    /// - Returns: whether it was sent.
    package mutating func sendAtOnce(_ frame: [UInt8], descriptors: [Int32]) -> Bool {
        guard pending.isEmpty, frame.count <= controlPacketLimit, descriptors.count <= descriptorsPerPacket else {
            return false
        }
        return (try? transmit(frame, descriptors)) == true
    }

    /// Sends what is pending, as far as the socket takes it.
    /// - Returns: true when nothing is left; else wait for the socket to be writable (see `waitsForDescriptors`).
    package mutating func flush() throws(SystemError) -> Bool {
        var sent = 0
        defer {
            for packet in pending[..<sent] {
                for descriptor in packet.descriptors { close(descriptor) }
                pendingBytes -= packet.bytes.count
                pendingDescriptors -= packet.descriptors.count
            }
            pending.removeFirst(sent)
        }
        while sent < pending.count {
            guard try transmit(pending[sent].bytes, pending[sent].descriptors) else { return false }
            sent += 1
        }
        return true
    }

    /// Takes one packet.
    /// - Throws: EMSGSIZE for a packet beyond the catalogue's limit, EMFILE where its descriptors were lost because this
    ///   process may have no more, and whatever else the kernel says.
    package mutating func receive() throws(SystemError) -> Received { try receive(flags: 0) }

    /// Every packet that waits at a socket, with duplicates of its descriptors; all of them stay where they are.
    /// - Throws: as `receive`; what was found until then is closed.
    package static func look(into descriptor: Int32) throws(SystemError) -> [Packet] {
        var channel = ControlChannel(descriptor: fcntl(descriptor, F_DUPFD_CLOEXEC, 0))
        var offset: Int32 = 0
        var packets: [Packet] = []
        do throws(SystemError) {
            // From the first one on, each time one further. The call reads one integer.
            let size = socklen_t(MemoryLayout<Int32>.size)
            guard unsafe setsockopt(channel.descriptor, SOL_SOCKET, SO_PEEK_OFF, &offset, size) == 0 else {
                throw SystemError("look into a control channel")
            }
            while case .packet(let packet) = try channel.receive(flags: Int32(MSG_PEEK)) {
                packets.append(packet)
            }
        } catch {
            for packet in packets { for descriptor in packet.descriptors { close(descriptor) } }
            throw error
        }
        return packets
    }

    private mutating func receive(flags: Int32) throws(SystemError) -> Received {
        while true {
            var descriptorCount: Int32 = 0
            // Both arrays have the room that the call is told, and live through it.
            let count = unsafe apus_receive_packet(
                descriptor, &buffer, buffer.count, &arrived, &descriptorCount, flags)
            if count > 0 {
                return .packet(
                    Packet(bytes: Array(buffer[..<count]), descriptors: Array(arrived[..<Int(descriptorCount)])))
            }
            if count == 0 {
                // No frame is empty, but a peer that breaks the catalogue could send one with descriptors.
                for descriptor in arrived[..<Int(descriptorCount)] { close(descriptor) }
                return .ended
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            // The other end was closed with frames of ours unread.
            case ECONNRESET: return .ended
            default: throw SystemError("receive a control frame")
            }
        }
    }

    /// Waits until a packet is there: how a worker starts, before it has a loop.
    /// - Parameter hasGivenUp: asked once a second.
    /// - Throws: as `receive`, and ECONNRESET where the other end is gone, or is given up.
    package mutating func waitForPacket(
        unless hasGivenUp: () -> Bool = { false }
    ) throws(SystemError) -> Packet {
        var poller = try Poller(eventsPerTurn: 1)
        try poller.add(descriptor, .readable, tag: 0)
        while true {
            switch try receive() {
            case .packet(let packet): return packet
            case .wouldBlock:
                if try poller.wait(milliseconds: 1000) > 0 { continue }
                if hasGivenUp() { throw SystemError("wait for the supervisor's word", code: ECONNRESET) }
            case .ended: throw SystemError("wait for the supervisor's word", code: ECONNRESET)
            }
        }
    }

    /// One try. False where the kernel takes the packet only later.
    private mutating func transmit(_ frame: [UInt8], _ descriptors: [Int32]) throws(SystemError) -> Bool {
        while true {
            // Both arrays live through the call, which is told their sizes.
            let count = unsafe apus_send_packet(
                descriptor, frame, frame.count, descriptors, Int32(descriptors.count))
            if count >= 0 {
                waitsForDescriptors = false
                return true
            }
            switch errno {
            case EINTR: continue
            case ETOOMANYREFS:
                waitsForDescriptors = true
                return false
            case EAGAIN, ENOBUFS, ENOMEM:
                waitsForDescriptors = false
                return false
            default: throw SystemError("send a control frame")
            }
        }
    }
}
