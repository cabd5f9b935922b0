// The loop of a bench: feed the publishers, poll all sockets, take what came. One thread, poll(2): enough to see what
// a broker does, not to find its limit.

import Glibc
import MQTT

/// Runs the load and returns the figures.
func runBench(_ plan: BenchPlan, _ broker: Broker) throws(Failure) -> BenchReport {
    let run = String(UInt32.random(in: 0 ... .max), radix: 36)
    var pairs: [BenchPair] = []
    for index in 0..<plan.pairs {
        pairs.append(try BenchPair(plan, broker, topic: "apusctl-bench/\(run)/\(index)"))
    }
    var latencies = Histogram()
    let peers = pairs.flatMap { [$0.subscriber, $0.publisher] }
    var set = peers.map { pollfd(fd: $0.client.socket.descriptor, events: 0, revents: 0) }

    let start = monotonicNanoseconds()
    let end = start + UInt64(plan.seconds * 1e9)
    // What is on its way at the end has this long to arrive.
    let limit = end + 3_000_000_000
    var lastArrival = start
    var sent = 0
    var turn = 0
    while true {
        let now = monotonicNanoseconds()
        if now < end {
            sent += feed(pairs, plan, sent: sent, elapsed: now - start, from: turn)
            turn += 1
        } else if now >= limit || pairs.allSatisfy({ $0.received >= $0.sent }) {
            break
        }
        for (index, peer) in peers.enumerated() {
            try peer.flush()
            set[index].events = Int16(peer.output.isEmpty ? POLLIN : POLLIN | POLLOUT)
        }
        // With a rate, messages become due while nothing comes in.
        let ready = unsafe poll(&set, UInt(set.count), plan.rate == nil ? 50 : 1)
        guard ready >= 0 || errno == EINTR else { throw Failure(.failed, "poll: \(systemError())") }
        for (index, pair) in pairs.enumerated() where ready > 0 {
            if set[2 * index].revents & ~Int16(POLLOUT) != 0 {
                let before = pair.received
                try pair.receiveMessages(&latencies, monotonicNanoseconds)
                if pair.received > before { lastArrival = monotonicNanoseconds() }
            }
            if set[2 * index + 1].revents & ~Int16(POLLOUT) != 0 { try pair.receiveAcknowledgements() }
        }
    }
    return BenchReport(
        plan, seconds: Double(lastArrival - start) / 1e9, sent: sent, received: pairs.reduce(0) { $0 + $1.received },
        latencies: latencies)
}

/// Gives every publisher what it may send now; returns how many messages that were. `turn` says who is first.
private func feed(_ pairs: [BenchPair], _ plan: BenchPlan, sent: Int, elapsed: UInt64, from turn: Int) -> Int {
    let due = plan.rate.map { Int($0 * Double(elapsed) / 1e9) - sent } ?? .max
    var count = 0
    var idle = 0
    var index = turn
    // Round and round, a message each, until none may or none is due.
    while count < due, idle < pairs.count {
        let pair = pairs[index % pairs.count]
        index += 1
        if pair.hasRoom {
            pair.feed(monotonicNanoseconds())
            count += 1
            idle = 0
        } else {
            idle += 1
        }
    }
    return count
}

private func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    // Unsafe: clock_gettime(2) writes into memory that lives for the call.
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
