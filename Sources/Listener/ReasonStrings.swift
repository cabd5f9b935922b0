// What an MQTT 5 client is told beside a reason code: words for people, and where to go instead. Called for every packet
// that refuses something. What does not fit into the client's maximum packet size is left out.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// Appends a packet of MQTT 5 that refuses.
    ///
    /// - Parameters:
    ///   - words: for the client; those of the reason code where there are none.
    ///   - encode: appends the packet with the properties that it is given.
    mutating func appendRefusal(
        _ slot: Int, _ reason: ReasonCode, _ words: StaticString?, _ encode: (Properties, inout [UInt8]) -> Void
    ) {
        var properties = Properties()
        if reason == .useAnotherServer || reason == .serverMoved, !settings.serverReference.isEmpty {
            properties.serverReference = settings.serverReference
        }
        // [MQTT-3.1.2-29]: CONNACK and DISCONNECT may have words that nobody wants, but why should they?
        if reason.isFailure, arena[slot].flags & SlotFlags.wantsNoReasons == 0 {
            properties.reasonString = words?.description ?? reason.description
        }
        var packet: [UInt8] = []
        encode(properties, &packet)
        // [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.5.2-2], [MQTT-3.6.2-2], [MQTT-3.7.2-2], [MQTT-3.14.2-3]
        if !fits(packet, slot) {
            properties.reasonString = nil
            packet = []
            encode(properties, &packet)
        }
        if !fits(packet, slot) {
            packet = []
            encode(Properties(), &packet)
        }
        // [MQTT-3.1.2-24]: not a packet of the least size that says so fits; the end of the connection speaks for itself.
        if fits(packet, slot) { appendPacket(slot, packet) }
    }

    /// Whether the client takes a packet of this size.
    func fits(_ packet: [UInt8], _ slot: Int) -> Bool {
        let maximum = arena[cold: slot].maximum_packet_size
        return maximum == 0 || packet.count <= Int(maximum)
    }

    /// Appends an answer that can not be left out: without room for it the connection ends.
    mutating func appendAnswer(_ slot: Int, _ packet: [UInt8]) {
        if fits(packet, slot) {
            appendPacket(slot, packet)
        } else {
            close(
                slot, .packetTooLarge, tellClient: state(slot) == .connected,
                detail: "the answer is larger than the client's maximum packet size",
                reasonString: "the answer is larger than the maximum packet size")
        }
    }
}
