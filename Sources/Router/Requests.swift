// What listeners ask of the router beside messages: sessions and their end, subscriptions, flow.

import EventLoop
import Journal
import MQTT
import Messages

extension Router {
    @inline(never)
    mutating func handleRequest(_ link: Int, _ bytes: RawSpan, _ type: FrameType) throws(FrameError) {
        switch type {
        case .connect: try connect(link, ConnectFrame(decoding: bytes))
        case .disconnected: disconnected(link, try DisconnectedFrame(decoding: bytes))
        case .subscribe: subscribe(link, try SubscribeFrame(decoding: bytes))
        case .unsubscribe: unsubscribe(link, try UnsubscribeFrame(decoding: bytes))
        case .congestion: congestion(link, try CongestionFrame(decoding: bytes))
        case .consumed:
            let offset = try ConsumedFrame(decoding: bytes).offset
            guard offset >= links[link].consumed, offset <= links[link].produced else {
                throw FrameError("a listener that consumed what was never sent")
            }
            links[link].consumed = offset
        default: throw FrameError("a frame that is not for the router")
        }
    }

    private mutating func congestion(_ link: Int, _ frame: CongestionFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        if frame.congested {
            sessions[number].flags.insert(.congested)
        } else {
            sessions[number].flags.remove(.congested)
            if sessions[number].queue.waiting > 0 { wait(number) }
        }
    }
}
