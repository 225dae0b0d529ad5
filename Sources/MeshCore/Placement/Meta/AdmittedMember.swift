/// A member as the meta group knows it: by its NodeID, and never by what gossip says.
package struct AdmittedMember: Hashable, Sendable {
    package enum Standing: Hashable, Sendable {
        case active
        /// It is to give away what it has.
        case draining(reason: String)
        /// It goes, or has gone, by its own word: whatever it still has is given away, and nothing waits for it. When it
        /// comes back it is active again.
        case leaving
        /// It will not return, and nothing of it counts any more. Kept, so that it is not let in again by mistake.
        case evicted(reason: String)
    }

    package static let textBytesMax = 255
    package static let countMax = 65_536

    package var id: NodeID
    /// Hints: gossip may know better.
    package var name: String
    package var endpoint: Endpoint
    /// The highest version of log entries that it understands.
    package var supports: UInt16
    package var standing: Standing
    /// Since when `standing` holds, by the clock of whoever proposed it.
    package var since: WallMilliseconds

    package init(
        id: NodeID, name: String, endpoint: Endpoint, supports: UInt16 = MeshVersion.entries,
        standing: Standing = .active,
        since: WallMilliseconds = 0
    ) {
        self.id = id
        self.name = name
        self.endpoint = endpoint
        self.supports = supports
        self.standing = standing
        self.since = since
    }

    package var isEvicted: Bool { if case .evicted = self.standing { true } else { false } }
    package var isLeaving: Bool { self.standing == .leaving }
    /// Gets nothing new, and gives away what others can take.
    package var isDraining: Bool { if case .draining = self.standing { true } else { self.isLeaving } }
}

/// Since 1970, for people to read. It decides nothing.
package typealias WallMilliseconds = UInt64

package enum MeshVersion {
    /// The highest version of log entries that this program understands.
    package static let entries: UInt16 = 1
}

/// What the mesh as a whole was told.
package struct MeshSettings: Hashable, Sendable {
    package static let replicas = [1, 3, 5]
    package static let replaceAfter: ClosedRange<Duration> = .seconds(1) ... .seconds(7 * 24 * 3600)

    /// Voters of each partition.
    package var replicas = 3
    /// A member that is dead for so long is replaced.
    package var replaceAfter: Duration = .seconds(300)

    package init() {}
}

/// Where one partition shall be, and how that came.
package struct PlacedPartition: Hashable, Sendable {
    package struct Move: Hashable, Sendable {
        package var at: WallMilliseconds
        package var reason: PlacementChange.Reason
        package var from: [NodeID]
        package var to: [NodeID]

        package init(at time: WallMilliseconds, reason: PlacementChange.Reason, from: [NodeID], to: [NodeID]) {
            self.at = time
            self.reason = reason
            self.from = from
            self.to = to
        }
    }

    package static let movesMax = 8

    /// In ascending order.
    package private(set) var replicas: [NodeID]
    /// The last ones, oldest first.
    package private(set) var moves: [Move]

    package init(replicas: [NodeID], moves: [Move] = []) {
        self.replicas = replicas
        self.moves = moves
    }

    mutating func move(to replicas: [NodeID], _ reason: PlacementChange.Reason, at time: WallMilliseconds) {
        if self.moves.count == Self.movesMax { self.moves.removeFirst() }
        self.moves.append(Move(at: time, reason: reason, from: self.replicas, to: replicas))
        self.replicas = replicas
    }
}

/// Something that was done to the mesh, kept so that `why` has an answer later.
package struct MetaEvent: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        case founded = 1
        case admitted, evicted, draining, drainCancelled
        case defined, deleted
        case set, versionRaised
        case leaving
    }

    package static let keptMax = 1024
    package static let textBytesMax = 512

    package var at: WallMilliseconds
    package var kind: Kind
    /// The member it was about.
    package var node: NodeID?
    /// The reason, or the name and the version; at most `textBytesMax` bytes.
    package var text: String
}
