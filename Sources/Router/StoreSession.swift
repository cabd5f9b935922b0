// A durable session's row in the store.

import EventLoop
import Messages
import Store

extension Router {
    /// Writes what the store is to know of a session beside its queue and its subscriptions.
    mutating func storeSession(_ number: Int) {
        let session = sessions[number]
        guard session.isDurable else { return }
        let durable = durables[Int(session.durable)]
        log.putSession(
            StoredSession(
                number: UInt32(number), clientIdentifier: session.clientIdentifier, version: session.version,
                expiryInterval: durable.expiry, expiresAt: UInt64(durable.endsAt),
                will: wills[UInt32(number)].map(Self.encoded) ?? [], willAt: UInt64(delayedWills[UInt32(number)] ?? 0),
                acceptedAt: session.acceptNumber))
    }

    private static func encoded(_ will: ConnectFrame.Will) -> [UInt8] {
        var writer = FrameWriter(.connect)
        will.write(to: &writer)
        return writer.finish()
    }

    /// The will of a stored session; nil where there is none.
    static func will(_ bytes: [UInt8]) -> ConnectFrame.Will? {
        guard !bytes.isEmpty else { return nil }
        var reader = FrameReader(bytes.span.raw)
        return try? ConnectFrame.Will(from: &reader)
    }
}
