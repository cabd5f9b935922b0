// A router whose listeners and supervisor are the test.

import Channel
import EventLoop
import Glibc
import Messages
import Store
import Testing

@testable import Router

/// A router with two links, 0 and 1, whose workers are 100 and 101.
struct RouterBench: ~Copyable {
    var router: Router
    private var supervisor: ControlChannel
    private let listeners: Listeners
    let folder: Folder

    /// - Parameter folder: what an earlier router left, whose store is closed.
    /// - Parameter greets: the listeners have new arenas, and say so; else the test says what they do.
    init(_ settings: RouterSettings = RouterSettings(), folder: Folder = Folder(), greets: Bool = true) throws {
        self.folder = folder
        let ends = try ControlChannel.pair()
        var settings = settings
        settings.stateDirectory = folder.path
        var router = try Router(
            welcome: Welcome(role: .router, worker: 1, generation: 1, name: "router"), settings: settings,
            control: ControlChannel(descriptor: ends.worker), store: Router.openStore(settings, leaving: 1))
        router.loadSessions()
        let listeners = try Listeners(2)
        for link in 0..<2 {
            let offer = ChannelOffer(
                peerRole: .listener, peerWorker: UInt32(100 + link), peerName: "l\(link)", serial: UInt32(link + 1))
            try router.attach(listeners.others[link], offer)
        }
        self.router = router
        self.listeners = listeners
        supervisor = ControlChannel(descriptor: ends.supervisor)
        if greets { greet() }
    }

    /// Two listeners with new arenas: nothing went before.
    private mutating func greet() {
        for link in 0..<2 {
            say(link, Hello(worker: UInt32(100 + link), generation: 1).encoded())
            say(link, ResumeEnd(until: 0).encoded())
        }
        settle()
        do {
            _ = try report(Ready.self)
        } catch {
            Issue.record("a router that is not ready: \(error)")
        }
    }

    /// Lets the router handle a frame of a listener's.
    mutating func say(_ link: Int, _ frame: [UInt8]) {
        var sent = 0
        while sent < frame.count {
            let rest = Array(frame[sent...])
            guard case .bytes(let count) = send(listeners.ends[link], rest.span.raw) else {
                Issue.record("the router's socket takes nothing")
                return
            }
            sent += count
            guard router.links[link].isOpen else { return }
            router.receiveFrames(link)
        }
    }

    /// Frames that are not for clients, and acknowledgements.
    private static let unheard: [UInt8] = [FrameType.acknowledge, .hello, .marks, .deferred, .completed, .note]
        .map(\.rawValue)

    /// Every frame that the router has for a listener but those, until it has no more.
    mutating func hear(_ link: Int) -> [[UInt8]] {
        listen(link).filter { !Self.unheard.contains($0[4]) }
    }

    /// The acknowledgements for a listener's clients.
    mutating func answers(_ link: Int) -> [Entry] {
        entries(listen(link)).map { word in
            let entry = SlotEntry(word: word)
            return Entry(entry.kind, entry.slot, entry.packetIdentifier)
        }
    }

    /// Ends turns until everything that was changed is on disk. What lingers does so until `pass(_:)`.
    mutating func settle() {
        repeat {
            if router.isRecovering { router.continueRecovery() }
            if router.canTalk { router.talk() }
            for link in router.links.indices where router.links[link].isTouched { router.flush(link) }
            // What nobody waits for is written, too.
            router.submittedAt = 0
            router.commitTurn()
            router.releaseFrames()
            var wait = pollfd(fd: router.store.descriptor, events: Int16(POLLIN), revents: 0)
            let isBusy = router.commits.submitted > router.commits.committed || isReading
            // One descriptor, of the router's own.
            _ = unsafe poll(&wait, 1, isBusy ? 5000 : 0)
            router.handleStore()
            _ = router.loadRetained()
        } while router.commits.submitted > router.commits.committed || isReading || router.canTalk
            || router.links.contains { $0.isTouched && !$0.waiting.isEmpty && $0.hasRoom }
            || (router.isRecovering && !router.links.contains { $0.isOpen && $0.phase == .greeting })
    }

    var isReading: Bool {
        router.durables.contains { $0.isReading } || router.isLoadingRetained && !router.isStarting
    }

    /// Lets time pass.
    mutating func pass(milliseconds: UInt64 = 0, seconds: UInt32 = 0) {
        router.milliseconds += milliseconds
        router.now += seconds
        settle()
    }

    /// Both of `hear` and `answers`.
    mutating func hearAll(_ link: Int) -> (frames: [[UInt8]], answers: [Entry]) {
        let all = listen(link)
        let acknowledgements = entries(all).map { SlotEntry(word: $0) }
        return (
            all.filter { !Self.unheard.contains($0[4]) },
            acknowledgements.map { Entry($0.kind, $0.slot, $0.packetIdentifier) }
        )
    }

    private mutating func listen(_ link: Int) -> [[UInt8]] {
        var stream: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        settle()
        while true {
            router.flush(link)
            // The array is as long as the call is told.
            let count = unsafe recv(listeners.ends[link], &piece, piece.count, 0)
            if count <= 0 { break }
            stream += piece[..<count]
        }
        do {
            return try batches(stream).flatMap(\.frames)
        } catch {
            Issue.record("a batch that does not parse: \(error)")
            return []
        }
    }

    /// What the supervisor hears next.
    mutating func report<Report: Frame>(_: Report.Type) throws -> Report {
        guard case .packet(let packet) = try supervisor.receive() else { throw SystemError("hear a report") }
        return try Report(decoding: packet.bytes)
    }

    /// What the supervisor says.
    mutating func command(_ frame: some Frame) throws {
        try supervisor.send(frame.encoded())
        router.handleControl()
    }

    /// Bytes that are on their way from the router to a listener, and what the listener has said that the router has not
    /// read.
    func underWay(_ link: Int) -> Int { waitingBytes(listeners.ends[link]) }

    /// Says something that the router does not read yet.
    func whisper(_ link: Int, _ frame: [UInt8]) {
        guard case .bytes(frame.count) = send(listeners.ends[link], frame.span.raw) else {
            Issue.record("the router's socket takes nothing")
            return
        }
    }

    /// All that the router has put into the channel to a listener and that was not taken out.
    func take(_ link: Int) -> [UInt8] {
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        var bytes: [UInt8] = []
        while true {
            // The array is as long as the call is told.
            let count = unsafe recv(listeners.ends[link], &piece, piece.count, 0)
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
        }
    }

    /// Waits until the store has something to say, if it is to.
    func awaitStore(milliseconds: Int32) {
        var wait = pollfd(fd: router.store.descriptor, events: Int16(POLLIN), revents: 0)
        // One descriptor, of the router's own.
        _ = unsafe poll(&wait, 1, milliseconds)
    }

    /// The router is killed: what it had handed to the store is on disk, or will be.
    mutating func kill() {
        router.store.close()
        for link in router.links.indices where router.links[link].isOpen {
            close(router.links[link].descriptor)
            router.links[link].input.release()
            router.links[link].output.release()
        }
    }

    // MARK: what clients do; every connection has generation 1

    mutating func connect(
        _ link: Int, _ slot: UInt32, _ client: String, accept: UInt64 = 1, receiveMaximum: UInt16 = 100,
        will: String? = nil, willDelay: UInt32 = 0, expiry: UInt32 = 0, cleanStart: Bool? = nil, generation: UInt32 = 1
    ) {
        let will = will.map {
            ConnectFrame.Will(
                qos: 0, retain: false, delay: willDelay, topic: Array($0.utf8), payload: Array("gone".utf8),
                properties: [])
        }
        say(
            link,
            ConnectFrame(
                slot: slot, generation: generation, acceptNumber: accept,
                peer: PeerAddress(ipv4: 0x7F00_0001, port: 1), version: 5, cleanStart: cleanStart ?? (expiry == 0),
                keepAlive: 0, sessionExpiry: expiry, receiveMaximum: receiveMaximum,
                maximumPacketSize: 0, clientIdentifier: Array(client.utf8), userName: [], will: will
            ).encoded())
    }

    mutating func disconnect(_ link: Int, _ slot: UInt32, will: Bool = true, generation: UInt32 = 1) {
        say(
            link,
            DisconnectedFrame(
                slot: slot, generation: generation, reasonCode: 0, publishWill: will, sessionExpiry: nil
            ).encoded())
    }

    /// The router ends: in order, or as far as its store is concerned at the end of a turn.
    mutating func end(inOrder: Bool) {
        if inOrder { router.retire() } else { router.store.close() }
    }

    mutating func subscribe(_ link: Int, _ slot: UInt32, _ filter: String, qos: UInt8) {
        say(
            link,
            SubscribeFrame(
                slot: slot, generation: 1, packetIdentifier: 1, identifier: 0,
                items: [.init(filter: Array(filter.utf8), options: qos)]
            ).encoded())
    }

    mutating func publish(
        _ link: Int, _ slot: UInt32, _ topic: String, _ payload: String, qos: UInt8 = 0, identifier: UInt16 = 0,
        retain: Bool = false
    ) {
        say(link, publishFrame(slot, topic, payload, qos: qos, identifier: identifier, flags: retain ? 1 : 0))
    }

    mutating func acknowledge(_ link: Int, _ kind: UInt8, _ slot: UInt32, _ identifier: UInt16) {
        let entry = SlotEntry(acknowledgement: kind, slot: slot, generation: 1, packetIdentifier: identifier)
        let words = [FrameHead.word(length: 16, type: .acknowledge), entry.word]
        say(link, words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } })
    }
}

/// A PUBLISH of the connection in a slot, whose generation is 1.
func publishFrame(
    _ slot: UInt32, _ topic: String, _ payload: String, qos: UInt8, identifier: UInt16, flags: UInt8 = 0
) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: PublishFrame.headByteCount)
    var elements = frame.mutableSpan
    // Any bits make a byte.
    var span = unsafe elements.mutableBytes
    PublishFrame.writeHead(
        to: &span, slot: slot, generation: 1, packetIdentifier: identifier, flags: qos << 1 | flags,
        topicLength: topic.utf8.count, payloadLength: payload.utf8.count, propertiesLength: 0)
    return frame + Array(topic.utf8) + Array(payload.utf8)
}

/// A folder of the test's own, removed with it.
final class Folder {
    let path: String

    init() {
        var name = Array("/tmp/apus-router-XXXXXX".utf8CString)
        // mkdtemp writes the six letters.
        path = unsafe name.withUnsafeMutableBufferPointer { unsafe String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit {
        guard let folder = unsafe opendir(path) else { return }
        while let entry = unsafe readdir(folder) {
            // The name is a C string within the entry.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            unsafe unlink(path + "/" + name)
        }
        unsafe closedir(folder)
        unsafe rmdir(path)
    }
}

/// The listeners' ends of their channels; the others become the router's.
private final class Listeners {
    private(set) var ends: [Int32] = []
    private(set) var others: [Int32] = []

    init(_ count: Int) throws {
        for _ in 0..<count {
            var pair: [Int32] = [-1, -1]
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            // The kernel writes two descriptors into an array of two.
            guard unsafe socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw SystemError("create sockets") }
            ends.append(pair[0])
            others.append(pair[1])
        }
    }

    deinit { for descriptor in ends { close(descriptor) } }
}

/// An acknowledgement: MQTT's packet type, the slot, the packet identifier.
struct Entry: Equatable {
    var kind: UInt8
    var slot: UInt32
    var identifier: UInt16

    init(_ kind: UInt8, _ slot: UInt32, _ identifier: UInt16) {
        self.kind = kind
        self.slot = slot
        self.identifier = identifier
    }
}

struct Delivery {
    var topic: String
    var payload: String
    var recipients: [SlotEntry]
}

func types(_ frames: [[UInt8]]) -> [FrameType] { frames.compactMap { FrameType(rawValue: $0[4]) } }

/// The Deliver frames among `frames`.
func deliveries(_ frames: [[UInt8]]) throws -> [Delivery] {
    try frames.filter { $0[4] == FrameType.deliver.rawValue }.map { bytes in
        let frame = try DeliverFrame(bytes.span.raw, at: 0, try #require(try FrameHead.read(bytes.span.raw, at: 0)))
        let topicEnd = DeliverFrame.headByteCount + frame.topicLength
        let recipients = (0..<frame.recipientCount).map { index in
            SlotEntry(word: bytes.span.raw.load64(at: frame.recipientsOffset + 8 * index))
        }
        return Delivery(
            topic: String(decoding: bytes[DeliverFrame.headByteCount..<topicEnd], as: UTF8.self),
            payload: String(decoding: bytes[topicEnd..<(topicEnd + frame.payloadLength)], as: UTF8.self),
            recipients: recipients)
    }
}
