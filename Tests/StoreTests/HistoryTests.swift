import Testing

@testable import Store

/// Random histories of changes against dictionaries, with the store closed and opened in between.
@Suite struct HistoryTests {
    struct Model {
        var sessions: [UInt32: StoredSession] = [:]
        var subscriptions: [UInt32: [[UInt8]: StoredSubscription]] = [:]
        var received: Set<StoredReceived> = []
        var queues: [UInt32: [Entry]] = [:]
        var retained: [[UInt8]: Retained] = [:]
        var nextSequence: UInt64 = 1
        var nextMessage: UInt64 = 1
        var trimmed: [Trimmed] = []
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func agreesWithTheModel(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let folder = TemporaryFolder()
        var store = try folder.open()
        var model = Model()
        var log = ChangeLog()
        for step in 0..<400 {
            for _ in 0..<random.below(12) { change(&model, &log, &random) }
            if step % 7 == 0 {
                log.putReceived(900, 1)
                model.received.insert(StoredReceived(session: 900, packetIdentifier: 1))
                let trimmed = try store.commit(&log)
                #expect(trimmed == model.trimmed, "seed \(seed)")
                model.trimmed = []
            }
            if step % 50 == 0 {
                store.submit(&log)
                store.close()
                model.trimmed = []
                store = try folder.open()
                #expect(store.notices.isEmpty)
                try compare(store, model, seed)
            }
        }
        log.putReceived(900, 1)
        try store.commit(&log)
        try compare(store, model, seed)
        try store.apply { log in
            for number: UInt32 in 0..<6 { log.removeSession(number) }
        }
        store.close()
        for table in ["message", "reference", "queue", "backlog", "session", "subscription"] {
            #expect(try count(folder, table) == 0, "\(table) seed \(seed)")
        }
    }

    /// One change, in the log and in the model.
    private func change(_ model: inout Model, _ log: inout ChangeLog, _ random: inout SplitMix64) {
        let session = UInt32(random.below(6))
        let filter = Array("f/\(random.below(4))".utf8)
        let identifier = UInt16(random.below(4))
        /// An entry of the session's queue, if there is one.
        func existing() -> Int? {
            model.queues[session].flatMap { $0.isEmpty ? nil : random.below($0.count) }
        }
        func fresh(_ message: Message) -> Entry {
            let head = EntryHead(qos: UInt8(random.below(3)), flags: UInt8(random.below(256)))
            let entry = Entry(
                sequence: model.nextSequence, head: head, identifiers: random.octets(upTo: 3), message: message)
            model.nextSequence += 1 + UInt64(random.below(2))
            return entry
        }
        switch random.below(16) {
        case 0:
            let row = StoredSession(
                number: session, clientIdentifier: Array("client\(random.below(9))".utf8), version: 5,
                expiryInterval: UInt32(random.below(9)), will: random.octets(upTo: 9))
            log.putSession(row)
            model.sessions[session] = row
        case 1 where random.below(4) == 0:
            log.removeSession(session)
            model.sessions[session] = nil
            model.subscriptions[session] = nil
            model.queues[session] = nil
            model.received = model.received.filter { $0.session != session }
        case 2:
            let row = StoredSubscription(
                session: session, filter: filter, options: UInt8(random.below(64)),
                identifier: UInt32(random.below(9)))
            log.putSubscription(session, filter.span.raw, options: row.options, identifier: row.identifier)
            model.subscriptions[session, default: [:]][filter] = row
        case 3:
            log.removeSubscription(session, filter.span.raw)
            model.subscriptions[session]?[filter] = nil
        case 4:
            log.putReceived(session, identifier)
            model.received.insert(StoredReceived(session: session, packetIdentifier: identifier))
        case 5:
            log.removeReceived(session, identifier)
            model.received.remove(StoredReceived(session: session, packetIdentifier: identifier))
        case 6, 7:
            let message = Message.random(&random)
            let recipients = (0..<6).filter { _ in random.below(2) == 0 }
            guard !recipients.isEmpty else { return }
            log.putMessage(model.nextMessage, references: UInt32(recipients.count), message)
            for recipient in recipients {
                let entry = fresh(message)
                log.put(UInt32(recipient), entry, shared: model.nextMessage)
                model.queues[UInt32(recipient), default: []].append(entry)
            }
            model.nextMessage += 1
        case 8:
            let row = Retained(qos: UInt8(random.below(3)), message: .random(&random))
            log.putRetained(row)
            model.retained[Array(row.message.bytes.prefix(Int(row.message.head.topicLength)))] = row
        case 9:
            let topic = Array("topic/\(random.below(20))".utf8)
            log.removeRetained(topic.span.raw)
            model.retained[topic] = nil
        case 10:
            guard let index = existing(), let sequence = model.queues[session]?[index].sequence else { return }
            let stage = UInt8(random.below(256))
            log.assign(session, sequence, packetIdentifier: identifier, stage: stage, flags: stage)
            model.queues[session]?[index].head.packetIdentifier = identifier
            model.queues[session]?[index].head.stage = stage
            model.queues[session]?[index].head.flags = stage
        case 11:
            guard let index = existing(), let entry = model.queues[session]?.remove(at: index) else { return }
            log.removeEntry(session, entry.sequence)
        case 12:
            guard let index = existing(), let last = model.queues[session]?[index].sequence else { return }
            log.removeEntries(session, through: last)
            model.queues[session]?.removeAll { $0.sequence <= last }
        case 13:
            let (messages, bytes) = (UInt64(random.below(3)), UInt64(random.below(60)))
            log.trim(session, messages: UInt32(messages), bytes: bytes)
            var gone = Trimmed(session: session, messages: 0, bytes: 0)
            while gone.messages < messages || gone.bytes < bytes,
                let index = model.queues[session]?.firstIndex(where: { $0.head.packetIdentifier == 0 }),
                let entry = model.queues[session]?.remove(at: index)
            {
                gone.messages += 1
                gone.bytes += UInt64(entry.message.bytes.count)
            }
            model.trimmed.append(gone)
        default:
            let entry = fresh(.random(&random, payload: random.below(40) == 0 ? 9000 : 40))
            log.put(session, entry)
            model.queues[session, default: []].append(entry)
        }
    }

    private func compare(_ store: Store, _ model: Model, _ seed: UInt64) throws {
        #expect(try store.sessions() == model.sessions.values.sorted { $0.number < $1.number }, "seed \(seed)")
        let subscriptions = try store.subscriptions().reduce(into: [:]) { found, row in
            found[row.session, default: [:]][row.filter] = row
        }
        #expect(subscriptions == model.subscriptions.filter { !$0.value.isEmpty }, "seed \(seed)")
        #expect(Set(try store.received()) == model.received, "seed \(seed)")
        #expect(try store.retained() == model.retained, "seed \(seed)")
        let backlogs = try store.backlogs()
        let full = model.queues.filter { !$0.value.isEmpty }
        #expect(backlogs.map(\.session) == full.keys.sorted(), "seed \(seed)")
        for backlog in backlogs {
            let queue = try #require(full[backlog.session])
            #expect(try store.queue(backlog.session) == queue, "seed \(seed)")
            let bytes = queue.reduce(0) { $0 + UInt64($1.message.bytes.count) }
            #expect(
                backlog
                    == Backlog(
                        session: backlog.session, messages: UInt64(queue.count), bytes: bytes,
                        firstSequence: queue[0].sequence, lastSequence: queue[queue.count - 1].sequence), "seed \(seed)"
            )
        }
    }
}
