// What the next supervisor finds, whether this one is restarted or dies: descriptors under names, kept by systemd, and a
// memory file that says what they are. Both follow what there is, at the end of each turn in which that may have changed.
//
// Without systemd nothing is kept: then the workers end with their supervisor.

internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

/// The memory file with the estate: two copies, written in turn, so that a death in mid-write leaves the other.
struct EstateFile {
    /// Room for one copy: 8 bytes each for its number, its length and its checksum, and the frame.
    private static let room = 1 << 20
    static let name = "state"

    let descriptor: Int32
    private var sequence: UInt64
    private var written: [UInt8] = []

    /// A new one.
    init() throws(SystemError) {
        descriptor = unsafe apus_memory_file("apus-estate", UInt64(2 * Self.room))
        guard descriptor >= 0 else { throw SystemError("create a memory file") }
        sequence = 0
    }

    /// One that a former supervisor has left.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        sequence = max(Self.read(descriptor, 0)?.sequence ?? 0, Self.read(descriptor, 1)?.sequence ?? 0)
    }

    /// What it says.
    /// - Throws: where neither copy is whole, or the newer one is in a layout that is not known.
    func read() throws(FrameError) -> Estate {
        let copies = [Self.read(descriptor, 0), Self.read(descriptor, 1)].compactMap { $0 }
        guard let newer = copies.max(by: { $0.sequence < $1.sequence }) else { throw FrameError("it is damaged") }
        return try Estate(decoding: newer.frame)
    }

    mutating func write(_ estate: Estate) {
        let frame = estate.encoded()
        guard frame != written, frame.count + 24 <= Self.room else { return }
        sequence += 1
        written = frame
        var bytes: [UInt8] = []
        for word in [sequence, UInt64(frame.count), checksum(frame)] {
            unsafe withUnsafeBytes(of: word.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
        bytes += frame
        // The array has as many bytes as the call is told.
        _ = unsafe pwrite(descriptor, bytes, bytes.count, off_t(Int(sequence % 2) * Self.room))
    }

    private static func read(_ descriptor: Int32, _ copy: Int) -> (sequence: UInt64, frame: [UInt8])? {
        var bytes = [UInt8](repeating: 0, count: room)
        // As above.
        guard unsafe pread(descriptor, &bytes, room, off_t(copy * room)) == room else { return nil }
        let words = [0, 8, 16].map { bytes.span.raw.load64(at: $0) }
        guard words[0] > 0, words[1] > 0, words[1] <= UInt64(room - 24) else { return nil }
        let frame = Array(bytes[24..<(24 + Int(words[1]))])
        return checksum(frame) == words[2] ? (words[0], frame) : nil
    }
}

/// FNV-1a, 64 bits.
private func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

extension Supervisor {
    /// Keeps what the next supervisor needs.
    func bequeath() {
        guard estateFile != nil else { return }
        estateFile?.write(estate)
        guard DescriptorStore.isAvailable else { return }
        var kept = heirlooms.filter { !isPassed($0.key) }
        noticeRoom(for: kept.count)
        // Nothing rather than a part: without one of them the others are of no use, but keep workers from ending.
        if storeProblem != nil { kept = [:] }
        // What systemd does not take now is said again: it is told all of it, but nobody waits for that.
        var isWhole = true
        for name in bequeathed.subtracting(kept.keys) {
            if DescriptorStore.remove(name) { bequeathed.remove(name) } else { isWhole = false }
        }
        for (name, descriptor) in kept where !bequeathed.contains(name) {
            if DescriptorStore.put(name, descriptor) { bequeathed.insert(name) } else { isWhole = false }
        }
        if !isWhole { timers.set(.bequest, at: monotonicMilliseconds() + Self.untilSaidAgain) }
    }

    private static var untilSaidAgain: UInt64 { 20 }

    /// Asks PID 1 how many descriptors it keeps, and goes on: until it answers, all are left with it.
    func askForStoreRoom() {
        guard let answer = DescriptorStore.askRoom() else { return }
        do throws(SystemError) {
            try poller.add(answer, .readable, tag: Source.storeRoom.tag)
            storeQuestion = answer
        } catch {
            close(answer)
        }
    }

    /// It has answered, or nobody could be asked.
    func storeRoomIsKnown() {
        guard let answer = storeQuestion else { return }
        poller.remove(answer)
        storeQuestion = nil
        if let room = DescriptorStore.room(answer: answer) { storeRoom = room }
    }

    /// Says once whether systemd keeps as many descriptors as there are.
    private func noticeRoom(for count: Int) {
        guard count > storeRoom else {
            storeProblem = nil
            return
        }
        guard storeProblem == nil else { return }
        storeProblem =
            "systemd keeps \(storeRoom) descriptors of \(count), and therefore none; raise FileDescriptorStoreMax="
        Journal.log(.descriptorStoreTooSmall, [.reason: storeProblem!])
    }

    /// Whether a restart can leave everything with systemd, the sockets of clients too.
    var canBequeath: Bool {
        let parts = openConnections / descriptorsPerPacket + places.count
        return estateFile != nil && DescriptorStore.isAvailable && storeProblem == nil
            && heirlooms.count + parts <= storeRoom
    }

    /// What there is, as the next supervisor has to know it.
    private var estate: Estate {
        Estate(
            lastNumber: lastNumber, lastAccept: lastAccept, places: inheritable.map(described),
            wires: inheritableWires.map { described($0, isAbandoned: false) }
                + places.compactMap { $0.remains.map { described($0, isAbandoned: true) } })
    }

    /// The places whose workers can go on under another supervisor. The others are started anew: the bridge's session waits, and
    /// so does who connects.
    private var inheritable: [Place] { places.filter { $0.role == .router || $0.role == .listener } }

    private var inheritableWires: [Wire] {
        wires.filter { wire in inheritable.contains { $0.number == wire.listener } }
    }

    private func described(_ place: Place) -> Estate.Place {
        let worker = place.serving
        // One that is neither ready nor gone will be killed by the next supervisor.
        let hasDied = place.past == .died || (worker == nil && place.worker != nil && place.past != .none)
        return Estate.Place(
            number: place.number, role: place.role, name: place.name, generation: place.generation,
            served: UInt32(clamping: place.served), hasDied: hasDied,
            worker: worker.map(described), successor: place.waiting.map(described))
    }

    private func described(_ worker: Worker) -> Estate.Worker {
        Estate.Worker(number: worker.number, generation: worker.generation, process: worker.process)
    }

    private func described(_ wire: Wire, isAbandoned: Bool) -> Estate.Wire {
        Estate.Wire(serial: wire.serial, listener: wire.listener, router: wire.router, isAbandoned: isAbandoned)
    }

    /// Whether a name is that of a socket unit's socket, which systemd passes anyway.
    private func isPassed(_ name: String) -> Bool {
        ports.contains { port in
            guard case .systemd(_) = port.listener.bind else { return false }
            return port.sockets.keys.contains { name == "port-\(port.listener.name)-\($0)" }
        }
    }

    /// What is kept, by name.
    var heirlooms: [String: Int32] {
        var kept = parked
        kept[EstateFile.name] = estateFile!.descriptor
        for port in ports {
            for (number, socket) in port.sockets { kept["port-\(port.listener.name)-\(number)"] = socket.descriptor }
        }
        for place in inheritable {
            if let arena = place.arena { kept["arena-\(place.number)"] = arena.descriptor }
            for worker in [place.serving, place.waiting].compactMap({ $0 }) {
                kept["control-\(worker.number)"] = worker.channel.descriptor
            }
            if let remains = place.remains { kept["wire-\(remains.serial)-listener"] = remains.listenerEnd }
        }
        if let errors {
            kept["errors-reader"] = errors.reader
            kept["errors-writer"] = errors.writer
        }
        for worker in workers.values { kept[Self.name(ofProcess: worker.process)] = worker.processDescriptor }
        for wire in inheritableWires {
            kept["wire-\(wire.serial)-listener"] = wire.listenerEnd
            kept["wire-\(wire.serial)-router"] = wire.routerEnd
        }
        return kept
    }
}

extension Place {
    /// The process that serves, or is about to: it holds the connections, whether this supervisor knows them or not.
    fileprivate var serving: Worker? {
        guard let worker, worker.hasTakenOver else { return nil }
        let isBeginning = role == .listener && worker.phase == .prepared
        return isBeginning || [.ready, .adopting].contains(worker.phase) ? worker : nil
    }

    /// The process that could go on at once, or will when the router has said where.
    fileprivate var waiting: Worker? {
        let worker = successor ?? worker.flatMap { $0.hasTakenOver || role == .router ? nil : $0 }
        guard let worker, worker.fed == .max, [.prepared, .adopting].contains(worker.phase) else { return nil }
        return worker
    }
}
