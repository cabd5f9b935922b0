// From nothing to serving: what the router waits for before it says Prepared, and before it opens the store. Called once
// by `main`.

import Channel
import EventLoop
import Glibc
import Journal
import Messages

extension Router {
    /// Runs the router on the control channel that the supervisor left at its fixed descriptor. Never returns.
    ///
    /// Fatal here: a supervisor that goes away or says something that is not for a router that begins; the exit status
    /// is then 1.
    package static func main() -> Never {
        ignoreSignals()
        reportCrashes("apus-router", version: apusVersion)
        // It ends with the process: the kernel takes its memory back faster than it could be given back piece by piece.
        let router = UnsafeMutablePointer<Router>.allocate(capacity: 1)
        unsafe router.initialize(to: started())
        unsafe router.pointee.run()
        exit(0)
    }

    private static func started() -> Router {
        do {
            return try start()
        } catch {
            failToStart("apus-router", error)
        }
    }

    private static func start() throws -> Router {
        var start = Start()
        let welcome = try Welcome(decoding: start.next().bytes)
        Layout.inForce = welcome.layout
        let settings = try RouterSettings(decoding: start.next().bytes)
        setProcessTitle("apus-router")
        Journal.bootstrap(
            worker: "router", level: .init(number: settings.logLevel), always: [.generation: String(welcome.generation)]
        )
        try start.waitForTakeOver(settings)
        // Another router has the store until now.
        let store = try openStore(start.settings)
        let offers = start.offers
        var router = try Router(
            welcome: welcome, settings: start.settings, control: start.takeControl(), store: store)
        router.loadSessions()
        router.keepBridge()
        for (descriptor, offer) in offers { try router.attach(descriptor, offer) }
        return router
    }
}

/// The control channel until the router has it.
private struct Start: ~Copyable {
    private var control: ControlChannel? = ControlChannel(descriptor: controlDescriptor)
    private(set) var settings = RouterSettings()
    /// The channels to listeners that the router begins with.
    private(set) var offers: [(Int32, ChannelOffer)] = []

    private var guardian = Guardian()

    mutating func next() throws -> ControlChannel.Packet {
        var guardian = guardian
        defer { self.guardian = guardian }
        return try control!.waitForPacket { guardian.isMissing(now: monotonicMilliseconds()) }
    }

    mutating func takeControl() -> ControlChannel { control.take()! }

    /// Says Prepared, and listens to the supervisor until it is this router's turn.
    mutating func waitForTakeOver(_ settings: RouterSettings) throws {
        self.settings = settings
        try control!.send(Prepared().encoded())
        while true {
            let packet = try next()
            let bytes = packet.bytes.span.raw
            switch try FrameHead.read(bytes, at: 0)?.type {
            case .takeOver: return
            case .channelOffer:
                guard let descriptor = packet.descriptors.first else {
                    throw FrameError("a channel without a descriptor")
                }
                let offer = try ChannelOffer(decoding: bytes)
                forget(offer.peerWorker)
                offers.append((descriptor, offer))
            case .peerGone: forget(try PeerGone(decoding: bytes).worker)
            case .routerSettings: self.settings = try RouterSettings(decoding: bytes)
            case .ping:
                let counters = [UInt64](repeating: 0, count: RouterCounter.allCases.count)
                try control!.send(Pong(sequence: Ping(decoding: bytes).sequence, counters: counters).encoded())
            case .stop:
                try control!.send(Stopped().encoded())
                exit(0)
            case .retire:
                try control!.send(Retired().encoded())
                exit(0)
            default: throw FrameError("a frame that is not for a router that waits")
            }
        }
    }

    private mutating func forget(_ worker: UInt32) {
        guard let index = offers.firstIndex(where: { $0.1.peerWorker == worker }) else { return }
        close(offers.remove(at: index).0)
    }
}
