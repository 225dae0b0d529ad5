extension ReplicaSet {
    /// As a configuration entry's payload.
    package var payload: [UInt8] {
        var writer = WireWriter()
        writer.write(self)
        return writer.bytes
    }

    /// nil if these bytes are no set of replicas.
    package init?(payload: [UInt8]) {
        var reader = WireReader(payload.raw)
        do throws(WireError) {
            self = try reader.replicaSet()
            try reader.end()
        } catch { return nil }
    }
}

extension WireWriter {
    package mutating func write(_ id: ReplicaID) {
        self.write(id.node)
        self.write(id.addedAt)
    }

    package mutating func write(_ replicas: ReplicaSet) {
        self.write(replicas.voters)
        self.write(replicas.learners)
    }

    private mutating func write(_ ids: [ReplicaID]) {
        self.write(UInt8(ids.count))
        for id in ids { self.write(id) }
    }
}

extension WireReader {
    package mutating func replicaID() throws(WireError) -> ReplicaID {
        ReplicaID(node: try self.nodeID(), addedAt: try self.read())
    }

    package mutating func replicaSet() throws(WireError) -> ReplicaSet {
        let place = self.offset
        let voters = try self.replicaIDs()
        let learners = try self.replicaIDs()
        let nodes = (voters + learners).map(\.node)
        guard nodes.count <= ReplicaSet.replicasMax else { throw WireError(.tooLong, at: place) }
        // One replica per node, and one spelling of each set.
        guard Set(nodes).count == nodes.count, voters == voters.sorted(), learners == learners.sorted() else {
            throw WireError(.invalidValue, at: place)
        }
        return ReplicaSet(voters: voters, learners: learners)
    }

    private mutating func replicaIDs() throws(WireError) -> [ReplicaID] {
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard count <= ReplicaSet.replicasMax else { throw WireError(.tooLong, at: place) }
        var ids: [ReplicaID] = []
        for _ in 0..<count { ids.append(try self.replicaID()) }
        return ids
    }
}
