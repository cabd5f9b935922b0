// Serves apusctl on the control socket, one request after the other on each connection, without ever waiting. What
// only the router knows is asked of it, a page at a time and within a limit.

internal import Channel
internal import Control
internal import EventLoop
internal import Glibc
internal import Messages

extension Supervisor {
    private static let operatorLimit = 32
    /// How long a connection may be silent, and how long the router may take for an answer: milliseconds.
    private static let silenceLimit: UInt64 = 60_000
    private static let queryLimit: UInt64 = 5_000

    /// Operators wait at the control socket.
    func admitOperators(_ now: UInt64) {
        while true {
            let descriptor = acceptAnonymously(controlSocket)
            guard descriptor >= 0 else {
                if errno != EAGAIN, errno != EINTR, errno != ECONNABORTED { restControlSocket(now) }
                return
            }
            let connection = Operator(number: nextNumber(), descriptor: descriptor)
            let credentials = PeerCredentials(of: descriptor)
            if credentials?.mayOperate(owner: geteuid(), group: getegid()) != true {
                connection.answer(
                    .error(
                        Refusal(.notPermitted, "only root, the broker's user and the members of its group may do this"))
                )
                connection.isEnding = true
            } else if operators.count >= Self.operatorLimit {
                connection.answer(.error(Refusal(.unavailable, "too many operators are connected, try again")))
                connection.isEnding = true
            }
            if connection.isEnding {
                // One line fits into a new socket; the connection ends with this scope.
                _ = connection.flush()
                continue
            }
            guard (try? poller.add(descriptor, .readable, tag: Source.operator(connection.number).tag)) != nil else {
                continue
            }
            operators[connection.number] = connection
            timers.set(.idle(connection.number), at: now + Self.silenceLimit)
        }
    }

    /// A connection is ready for something.
    func attend(_ connection: Operator, _ readiness: Poller.Interest, _ now: UInt64) {
        timers.set(.idle(connection.number), at: now + Self.silenceLimit)
        if readiness.contains(.readable), connection.job == nil, !connection.isEnding {
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            if !connection.read(into: &buffer) { connection.isEnding = true }
        } else if !readiness.isDisjoint(with: .hangUp) {
            dismiss(connection)
            return
        }
        serve(connection, now)
    }

    func dismiss(_ connection: Operator) {
        poller.remove(connection.descriptor)
        operators[connection.number] = nil
        timers.cancel(.idle(connection.number))
        if let query = connection.query { forget(query) }
    }

    /// Answers what was asked, as far as it can be answered now.
    func serve(_ connection: Operator, _ now: UInt64) {
        guard operators[connection.number] != nil else { return }
        while connection.unsent < Operator.outputMark {
            if connection.job != nil {
                guard connection.query == nil else { break }
                if case .restart = connection.job { break }
                if case .upgrade = connection.job { break }
                if case .reload = connection.job { break }
                ask(for: connection, now)
                continue
            }
            do throws(Refusal) {
                guard let request = try connection.decoder.next() else { break }
                begin(request, for: connection, now)
            } catch {
                connection.answer(.error(error))
                if connection.decoder.isBroken { connection.isEnding = true }
            }
        }
        guard connection.flush(), !(connection.isEnding && connection.job == nil && connection.unsent == 0) else {
            dismiss(connection)
            return
        }
        var interest = Poller.Interest(rawValue: 0)
        if connection.job == nil, !connection.isEnding, connection.unsent == 0 { interest.insert(.readable) }
        if connection.unsent > 0 { interest.insert(.writable) }
        if (try? poller.modify(connection.descriptor, interest, tag: Source.operator(connection.number).tag)) == nil {
            dismiss(connection)
        }
    }

    private func begin(_ request: Request, for connection: Operator, _ now: UInt64) {
        switch request {
        case .status:
            connection.answer(.status(statusReport(now)))
            connection.answer(.end(next: nil))
        case .clients(let limit, let cursor):
            connection.job = .clients(left: limit, cursor: UInt32(clamping: cursor ?? 0))
        case .kick(let clientID):
            connection.job = .kick(clientID: clientID)
        case .restart(let worker):
            beginRestart(worker, for: connection, now)
        case .upgrade(let commit):
            beginUpgrade(commit: commit, for: connection, now)
        case .reload:
            guard state == .ready else {
                connection.answer(.error(Refusal(.unavailable, "the broker is \(state.rawValue), try again")))
                return
            }
            do throws(ReloadFailure) {
                let (report, isAnsweredLater) = try reload(now) { .reload(connection.number, $0) }
                guard !isAnsweredLater else {
                    connection.job = .reload
                    return
                }
                connection.answer(.reload(report))
                connection.answer(.end(next: nil))
            } catch {
                connection.answer(.error(Refusal(.reloadFailed, error.reason)))
            }
        }
    }

    /// Asks the router for the next part of a job.
    private func ask(for connection: Operator, _ now: UInt64) {
        guard let job = connection.job else { return }
        guard state != .stopping, let router, router.phase == .ready, !router.channel.hasPending
        else {
            finish(connection, .error(Refusal(.unavailable, "the router is away, try again")))
            return
        }
        let number = nextNumber()
        let query =
            switch job {
            case .clients(_, let cursor): Query(number: number, kind: .clients, cursor: cursor)
            case .kick(let clientID): Query(number: number, kind: .kick, text: clientID)
            // No router is asked for them.
            case .restart, .upgrade, .reload: Query(number: number, kind: .clients)
            }
        let frame = query.encoded()
        guard frame.count <= controlPacketLimit else {
            // Longer than any client id.
            finish(connection, .error(Refusal(.noSuchClient, "no client has an id of that length")))
            return
        }
        queries[number] = connection.number
        connection.query = number
        timers.set(.query(number), at: now + Self.queryLimit)
        sendFrame(frame, to: router, descriptors: [], now)
    }

    /// The router has answered.
    func answered(_ answer: Answer, _ now: UInt64) {
        guard let number = queries[answer.number], let connection = operators[number], let job = connection.job else {
            return
        }
        forget(answer.number)
        connection.query = nil
        switch job {
        case .restart, .upgrade, .reload: break
        case .kick(let clientID):
            finish(
                connection,
                answer.clients.isEmpty
                    ? .error(Refusal(.noSuchClient, "no client with the id \(clientID) is connected"))
                    : .end(next: nil))
        case .clients(let left, let cursor):
            let rows = answer.clients.prefix(left)
            for client in rows { connection.answer(.client(report(client))) }
            // Where more came than was asked for, the rest is the next page's.
            let next = rows.count < answer.clients.count ? cursor + UInt32(rows.count) : answer.nextCursor
            if let next, rows.count < left, next > cursor {
                connection.job = .clients(left: left - rows.count, cursor: next)
            } else {
                finish(connection, .end(next: next.map(UInt64.init)))
            }
        }
        serve(connection, now)
    }

    func queryExpired(_ number: UInt32, _ now: UInt64) { fail(number, "the router did not answer in time", now) }

    /// A worker that was asked something is gone.
    func failQueries(to worker: Worker, _ now: UInt64) {
        guard worker.place.role == .router, worker.place.worker === worker else { return }
        for number in queries.keys.sorted() { fail(number, "the router is being replaced, try again", now) }
    }

    private func fail(_ query: UInt32, _ reason: String, _ now: UInt64) {
        guard let number = queries[query], let connection = operators[number] else { return }
        forget(query)
        connection.query = nil
        finish(connection, .error(Refusal(.unavailable, reason)))
        serve(connection, now)
    }

    private func forget(_ query: UInt32) {
        queries[query] = nil
        timers.cancel(.query(query))
    }

    func finish(_ connection: Operator, _ last: Response) {
        connection.answer(last)
        connection.job = nil
    }

    private func report(_ client: Answer.Client) -> ClientReport {
        let protocolName =
            switch client.version {
            case 3: "MQTT 3.1"
            case 4: "MQTT 3.1.1"
            case 5: "MQTT 5.0"
            default: "JSON"
            }
        return ClientReport(
            clientID: client.clientIdentifier, listener: client.listener, peer: client.peer.description,
            protocol: protocolName, connected: Double(client.connected), keepAlive: Int(client.keepAlive),
            subscriptions: Int(client.subscriptions))
    }
}
