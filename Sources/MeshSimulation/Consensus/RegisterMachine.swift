internal import MeshCore

/// What the simulated groups replicate: a few registers, each with the index of its last write.
struct RegisterMachine: Hashable, DiskMachine {
    struct Command: Sendable {
        var key: Int
        var value: UInt64

        /// Padded, so that batches and windows have bytes to count.
        var payload: [UInt8] {
            var writer = WireWriter()
            writer.write(UInt8(self.key))
            writer.write(self.value)
            for _ in 0..<4 { writer.write(self.value) }
            return writer.bytes
        }
    }

    static let keys = 3

    private(set) var values = Array(repeating: UInt64(0), count: Self.keys)
    /// The index of the entry that wrote the value.
    private(set) var versions = Array(repeating: UInt64(0), count: Self.keys)
    /// Over everything ever applied, in order.
    private(set) var hash: UInt64 = 0

    mutating func perform(_ entries: [LogEntry]) {
        for entry in entries { self.apply(entry) }
    }

    private mutating func apply(_ entry: LogEntry) {
        var trace = Trace()
        trace.record(self.hash, entry.index, entry.term, UInt64(entry.kind.rawValue))
        trace.record(entry.payload)
        self.hash = trace.hash
        guard entry.kind == .command else { return }
        var reader = WireReader(entry.payload.raw)
        guard let key = try? Int(reader.read(UInt8.self)), let value = try? reader.read(UInt64.self), key < Self.keys
        else { return }
        self.values[key] = value
        self.versions[key] = entry.index
    }

    var snapshot: [UInt8] {
        var writer = WireWriter()
        for word in self.values + self.versions + [self.hash] { writer.write(word) }
        return writer.bytes
    }

    init() {}

    init?(snapshot: [UInt8]) {
        var reader = WireReader(snapshot.raw)
        do throws(WireError) {
            for key in 0..<Self.keys { self.values[key] = try reader.read() }
            for key in 0..<Self.keys { self.versions[key] = try reader.read() }
            self.hash = try reader.read()
            try reader.end()
        } catch { return nil }
    }
}
