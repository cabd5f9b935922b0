// In a cluster the bridge is told what clients subscribe to: everything when it begins, a piece in a turn, then what changes.

import EventLoop
import Messages

/// How far the bridge has been told.
struct Interests {
    /// The next place of the tree to look at.
    var place = 0
    var hasBegun = false
    var isWhole = false
    /// What it knows as wanted.
    var told: Set<[UInt8]> = []
}

extension Router {
    /// Filters in a frame, and places that are looked at in a turn.
    private static var interestsAtOnce: Int { 512 }
    private static var placesAtOnce: Int { 8192 }

    /// Another bridge, or another connection of it: it is told everything again.
    mutating func beginInterests() {
        interests = Interests()
        tree.changed = []
        tree.isWatched = settings.bridge?.isCluster == true
    }

    /// Whether something could be told now.
    var canTellInterests: Bool {
        guard tree.isWatched, !isStarting, bridge >= 0, sessions[bridge].isConnected,
            sessions[bridge].flags.isDisjoint(with: [.opening, .resuming])
        else { return false }
        let isBehind = interests.place < tree.places || !interests.isWhole && sleepers.isEmpty
        return (isBehind || !tree.changed.isEmpty) && links[Int(sessions[bridge].link)].hasRoom
    }

    /// Tells the next piece.
    mutating func tellInterests() {
        var items: [InterestsFrame.Item] = []
        let end = min(interests.place + Self.placesAtOnce, tree.places)
        while interests.place < end, items.count < Self.interestsAtOnce {
            if let filter = tree.filter(at: interests.place) { tell(filter, &items) }
            interests.place += 1
        }
        while items.count < Self.interestsAtOnce, let filter = tree.changed.popFirst() { tell(filter, &items) }
        // New places are of filters that were told as changes.
        if interests.isWhole { interests.place = tree.places }
        let isWhole =
            !interests.isWhole && sleepers.isEmpty && interests.place == tree.places && tree.changed.isEmpty
        guard !items.isEmpty || isWhole else { return }
        let frame = InterestsFrame(begins: !interests.hasBegun, isWhole: isWhole, items: items)
        interests.hasBegun = true
        if isWhole { interests.isWhole = true }
        let link = Int(sessions[bridge].link)
        links[link].append(frame.encoded())
        links[link].isTouched = true
    }

    private mutating func tell(_ filter: [UInt8], _ items: inout [InterestsFrame.Item]) {
        let isWanted = tree.isWanted(filter.span, besides: UInt32(bridge))
        if isWanted {
            guard interests.told.insert(filter).inserted else { return }
        } else {
            guard interests.told.remove(filter) != nil else { return }
        }
        items.append(.init(filter: filter, isWanted: isWanted))
    }
}
