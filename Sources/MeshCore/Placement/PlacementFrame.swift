/// What the leader of a partition tells the leader of the meta group.
package struct GroupReport: Hashable, Sendable {
    package var partition: Partition
    package var leader: ReplicaID
    package var replicas: ReplicaSet
    /// Learners that it would promote.
    package var caughtUp: [ReplicaID]
    package var byteCount: UInt64

    package init(
        partition: Partition, leader: ReplicaID, replicas: ReplicaSet, caughtUp: [ReplicaID], byteCount: UInt64
    ) {
        self.partition = partition
        self.leader = leader
        self.replicas = replicas
        self.caughtUp = caughtUp
        self.byteCount = byteCount
    }
}

/// What the leader of the meta group wants of the leader of a partition.
package struct PlacementOrder: Hashable, Sendable {
    package var partition: Partition
    package var voters: [NodeID]
    /// Who shall lead instead.
    package var heir: ReplicaID?

    package init(partition: Partition, voters: [NodeID], heir: ReplicaID? = nil) {
        self.partition = partition
        self.voters = voters
        self.heir = heir
    }
}

/// What a node says to one that wants to begin the groups of the mesh.
package enum FoundingAnswer: Hashable, Sendable {
    /// Nobody else gets the sender's word; it is on its disk.
    case promised
    case promisedTo(NodeID)
    /// There are groups already.
    case founded
}

/// Between the leaders of partitions and the leader of the meta group, and before there is one.
/// Nothing of it is kept: reports come again.
package enum PlacementFrame: Hashable, Sendable {
    /// All groups that the sender leads.
    case report([GroupReport])
    case orders([PlacementOrder])
    /// The receiver of a report does not lead the meta group; this one may.
    case elsewhere(NodeID?)
    /// May the sender begin the groups of the mesh?
    case mayFound
    case foundingAnswer(FoundingAnswer)

    package static let groupsMax = Int(UInt16.max)

    // Kind, then a u16 count and what it counts.
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        switch self {
        case .report(let reports):
            writer.write(1 as UInt8)
            writer.write(UInt16(reports.count))
            for report in reports {
                writer.write(report.partition.index)
                writer.write(report.leader)
                writer.write(report.replicas)
                writer.write(UInt8(report.caughtUp.count))
                for learner in report.caughtUp { writer.write(learner) }
                writer.write(report.byteCount)
            }
        case .orders(let orders):
            writer.write(2 as UInt8)
            writer.write(UInt16(orders.count))
            for order in orders {
                writer.write(order.partition.index)
                writer.write(nodes: order.voters)
                writer.write((order.heir == nil ? 0 : 1) as UInt8)
                if let heir = order.heir { writer.write(heir) }
            }
        case .elsewhere(let leader):
            writer.write(3 as UInt8)
            writer.write(nodes: leader.map { [$0] } ?? [])
        case .mayFound: writer.write(4 as UInt8)
        case .foundingAnswer(let answer):
            writer.write(5 as UInt8)
            switch answer {
            case .promised: writer.write(1 as UInt8)
            case .promisedTo(let node):
                writer.write(2 as UInt8)
                writer.write(node)
            case .founded: writer.write(3 as UInt8)
            }
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        switch try reader.read(UInt8.self) {
        case 1:
            var reports: [GroupReport] = []
            for _ in 0..<(try reader.read(UInt16.self)) { reports.append(try reader.groupReport()) }
            self = .report(reports)
        case 2:
            var orders: [PlacementOrder] = []
            for _ in 0..<(try reader.read(UInt16.self)) {
                let partition = Partition(index: try reader.read())
                let voters = try reader.replicaNodes()
                orders.append(
                    PlacementOrder(
                        partition: partition, voters: voters, heir: try reader.flag() ? try reader.replicaID() : nil))
            }
            self = .orders(orders)
        case 3: self = .elsewhere(try reader.flag() ? try reader.nodeID() : nil)
        case 4: self = .mayFound
        case 5:
            switch try reader.read(UInt8.self) {
            case 1: self = .foundingAnswer(.promised)
            case 2: self = .foundingAnswer(.promisedTo(try reader.nodeID()))
            case 3: self = .foundingAnswer(.founded)
            default: throw WireError(.unknownKind, at: 1)
            }
        default: throw WireError(.unknownKind, at: 0)
        }
        try reader.end()
    }
}

extension WireReader {
    fileprivate mutating func groupReport() throws(WireError) -> GroupReport {
        var report = GroupReport(
            partition: Partition(index: try self.read()), leader: try self.replicaID(),
            replicas: try self.replicaSet(), caughtUp: [], byteCount: 0)
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard count <= ReplicaSet.replicasMax else { throw WireError(.tooLong, at: place) }
        for _ in 0..<count { report.caughtUp.append(try self.replicaID()) }
        report.byteCount = try self.read()
        return report
    }
}
