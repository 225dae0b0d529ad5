internal import MeshCore

/// The state of one group on a simulated disk: ordered bytes under bytes, with a hash over all of them.
struct KeyValueStore: DiskMachine {
    private var keys: [[UInt8]] = []
    private var values: [[UInt8]: (bytes: [UInt8], hash: UInt64)] = [:]
    /// Independent of the order in which keys came to be, so that two replicas agree exactly if their contents do.
    private(set) var hash: UInt64 = 0

    init() {}

    subscript(key: [UInt8]) -> [UInt8]? { self.values[key]?.bytes }

    mutating func perform(_ batch: StateBatch) {
        for change in batch.changes {
            switch change {
            case .put(let key, let value): self.put(key, value)
            case .delete(let key): self.delete(key)
            case .deletePrefix(let prefix):
                let start = self.place(of: prefix)
                let doomed = self.keys[start...].prefix { $0.starts(with: prefix) }
                for key in Array(doomed) { self.delete(key) }
            }
        }
    }

    private mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        let hash = Self.hash(key, value)
        if let before = self.values.updateValue((value, hash), forKey: key) {
            self.hash &-= before.hash
        } else {
            self.keys.insert(key, at: self.place(of: key))
        }
        self.hash &+= hash
    }

    private mutating func delete(_ key: [UInt8]) {
        guard let before = self.values.removeValue(forKey: key) else { return }
        self.hash &-= before.hash
        self.keys.remove(at: self.place(of: key))
    }

    func read(_ read: StateRead) -> [StorageEntry] {
        switch read {
        case .key(let key): return self[key].map { [StorageEntry(key: key, value: $0)] } ?? []
        case .range(let prefix, let start, let limit, let bytesMax):
            var entries: [StorageEntry] = []
            var bytes = 0
            let first = start.lexicographicallyPrecedes(prefix) ? prefix : start
            for key in self.keys[self.place(of: first)...] {
                guard key.starts(with: prefix), entries.count < limit, bytes < bytesMax else { break }
                let value = self[key] ?? []
                bytes += key.count + value.count
                entries.append(StorageEntry(key: key, value: value))
            }
            return entries
        }
    }

    /// Of a key, or where it would be.
    private func place(of key: [UInt8]) -> Int {
        var (low, high) = (0, self.keys.count)
        while low < high {
            let middle = (low + high) / 2
            if self.keys[middle].lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func hash(_ key: [UInt8], _ value: [UInt8]) -> UInt64 {
        var trace = Trace()
        trace.record(key)
        trace.record(value)
        return trace.hash
    }

    // MARK: Snapshots

    var snapshot: [UInt8] {
        var writer = WireWriter()
        for key in self.keys {
            writer.write(bytes: key)
            writer.write(bytes: self[key] ?? [])
        }
        return writer.bytes
    }

    init?(snapshot: [UInt8]) {
        var reader = WireReader(snapshot.raw)
        do throws(WireError) {
            while reader.offset < snapshot.count {
                let key = try reader.bytes(limit: snapshot.count)
                self.put(key, try reader.bytes(limit: snapshot.count))
            }
        } catch { return nil }
    }
}
