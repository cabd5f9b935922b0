struct RetainedSet {
  struct Limits { var messages = 0; var bytes = 0 }
  struct Cursor {}
  init(limits: Limits) {}
  var count: Int { 0 }
  mutating func clear(_ t: Span<UInt8>) {}
  mutating func set(_ t: Span<UInt8>, payload: Span<UInt8>, properties: Span<UInt8>, qos: UInt8) throws(SubscriptionRefused) {}
}
extension Router { mutating func continueReplays() { replays.removeAll() } }
