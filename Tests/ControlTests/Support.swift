import Control

/// Feeds text to a decoder, in pieces of `size` bytes, and returns what comes out.
func decode(_ text: String, by size: Int = .max, limit: Int = maximumRequestSize) -> [Result<Request, Refusal>] {
    var decoder = RequestDecoder(limit: limit)
    var results: [Result<Request, Refusal>] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let piece = Array(rest.prefix(size))
        rest = rest.dropFirst(size)
        decoder.receive(piece.span)
        while true {
            do throws(Refusal) {
                guard let request = try decoder.next() else { break }
                results.append(.success(request))
            } catch {
                results.append(.failure(error))
            }
        }
    }
    return results
}

func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
}

let status = StatusReport(
    version: "0.1.0", pid: 100, uptime: 12.5, state: "ready", layout: 4, newestLayout: 5, connections: 2,
    workers: [
        WorkerReport(
            role: "listener", name: "mqtt", pid: 101, generation: 1, state: "ready", version: "0.1.0",
            isOutdated: false, uptime: 12.25, restarts: 0,
            connections: 2)
    ],
    listeners: [
        ListenerReport(
            name: "mqtt", protocol: "mqtt", bind: "127.0.0.1:0", address: "127.0.0.1", port: 40001, connections: 2,
            workers: 1)
    ],
    counters: ["messages_received": 7])

let client = ClientReport(
    clientID: "a\n\u{1b}[31m", listener: "mqtt", peer: "127.0.0.1:5", protocol: "MQTT 5.0", connected: 3.5,
    keepAlive: 60, subscriptions: 1)
