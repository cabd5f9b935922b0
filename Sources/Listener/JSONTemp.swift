import WebSocket
import Messages
struct JSONParser {}
enum JSONDelivery { static func append(topic: RawSpan, payload: RawSpan, retain: Bool, to: inout [UInt8]) {} }
enum JSONReply { static func ack(_ id: [UInt8]) -> [UInt8] { [] }
 static func error(code: Int, reason: String, id: [UInt8]?) -> [UInt8] { [] } }
extension Listener {
  mutating func beginJSON(_ slot: Int) {}
  mutating func handleJSON(_ slot: Int, _ text: RawSpan) {}
}
