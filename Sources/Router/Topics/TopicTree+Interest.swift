// Which filters there are, for who asks others for what matches them: the bridge of a cluster.

import EventLoop
import Messages

extension TopicTree {
    /// Nodes there are, and were: every filter is at one of them.
    var places: Int { nodes.nodes.count }

    /// The filter at one of the places, where somebody has subscribed to it.
    func filter(at place: Int) -> [UInt8]? {
        guard nodes.nodes[place].content != none else { return nil }
        var filter: [UInt8] = []
        _ = nodes.spell(UInt32(place), into: &filter)
        return filter
    }

    /// Whether somebody has subscribed to a filter, by itself or as a group, other than one session.
    func isWanted(_ filter: Span<UInt8>, besides session: UInt32) -> Bool {
        let node = find(filter)
        guard node != none else { return false }
        var entry = nodes[node].content
        while entry != none {
            let subscription = subscriptions[entry]
            if subscription.kind == .group || subscription.session != session { return true }
            entry = subscription.nextOfNode
        }
        return false
    }
}
