internal import MeshCore

/// The applied state of one replica as it lies on its disk, for comparing it with its equals.
struct StateDigest: Hashable, Sendable {
    var partition: Partition
    /// The entry of the log that it is of. States of different entries say nothing of each other.
    var applied: LogIndex
    /// Over all keys and values, in the order of keys.
    var digest: UInt64
}

extension PartitionNode {
    /// Of all replicas here. Reads their whole states, one after the other; one that goes on meanwhile is left out.
    func digests() async -> [StateDigest] {
        var digests: [StateDigest] = []
        for lane in self.surroundings.lanes {
            for group in lane.driver.inspect({ $0.groups }) {
                if let digest = await self.digest(of: group) { digests.append(digest) }
            }
        }
        return digests
    }

    private func digest(of group: GroupID) async -> StateDigest? {
        guard let partition = FirstGroups.partition(of: group) else { return nil }
        var digest = StateDigest(partition: partition, applied: 0, digest: 0)
        var start: [UInt8] = []
        repeat {
            let chunk = StateRead.range(prefix: [], start: start, limit: 1_000, bytesMax: 1 << 20)
            guard let (totals, entries) = await self.read(group, chunk) else { return nil }
            // One read sees one moment of the disk, and the next may see a later one.
            guard start.isEmpty || totals.applied == digest.applied else { return nil }
            digest.applied = totals.applied
            for entry in entries { digest.absorb(entry) }
            start = entries.last.map { $0.key + [0] } ?? []
        } while !start.isEmpty
        return digest
    }

    /// Beside the shard: its own reads have numbers of their own, and this one changes nothing.
    private func read(_ group: GroupID, _ chunk: StateRead) async -> (PartitionTotals, [StorageEntry])? {
        let answer = await withCheckedContinuation { continuation in
            self.storage.perform([GroupJob(group, .read(0, [.key(PartitionKeys.totals), chunk]))]) { answers in
                // Of one job there is one answer.
                for answer in answers { continuation.resume(returning: answer.result) }
            }
        }
        guard case .read(_, let lists) = answer, lists.count == 2 else { return nil }
        // Before its first entry a replica has no totals.
        let totals = lists[0].first.map { try? PartitionTotals(decoding: $0.value) } ?? PartitionTotals()
        return totals.map { ($0, lists[1]) }
    }
}

extension StateDigest {
    fileprivate mutating func absorb(_ entry: StorageEntry) {
        var writer = WireWriter()
        writer.write(bytes: entry.key)
        writer.write(bytes: entry.value)
        self.digest = sipHash24(writer.bytes, key: (self.digest, 0))
    }
}

/// The states of one node's replicas, as the body of an `answer` frame.
struct DigestListing: Sendable {
    var digests: [StateDigest]

    init(digests: [StateDigest]) { self.digests = digests }

    // Kind, u16 count, each: partition, applied u64, digest u64.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(5 as UInt8)
        writer.write(UInt16(clamping: self.digests.count))
        for digest in self.digests.prefix(Int(UInt16.max)) {
            writer.write(digest.partition.index)
            writer.write(digest.applied)
            writer.write(digest.digest)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 5 else { throw WireError(.unknownKind, at: 0) }
        self.digests = []
        for _ in 0..<(try reader.read(UInt16.self)) {
            self.digests.append(
                StateDigest(
                    partition: Partition(index: try reader.read()), applied: try reader.read(),
                    digest: try reader.read()))
        }
        try reader.end()
    }
}
