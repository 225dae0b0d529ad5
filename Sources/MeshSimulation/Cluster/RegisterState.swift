internal import MeshCore

/// What simulated groups replicate until there is more: registers on the disk, each with the index of its last write, and
/// in memory a count of all writes.
///
/// It uses every way a real state has: keys that are read when they are missing, memory that is given up once the disk has
/// it, and a range that is read at the start.
struct RegisterState: ReplicatedState {
    enum Outcome: Hashable, Sendable {
        /// The index of the write before.
        case wrote(before: UInt64)
        case nothing
    }

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

        init(key: Int, value: UInt64) {
            self.key = key
            self.value = value
        }

        init?(payload: [UInt8]) {
            var reader = WireReader(payload.raw)
            guard let key = try? reader.read(UInt8.self), let value = try? reader.read(UInt64.self) else { return nil }
            self.init(key: Int(key), value: value)
        }
    }

    /// A register's value and the index of the entry that wrote it.
    struct Register: Hashable, Sendable {
        var value: UInt64 = 0
        var version: UInt64 = 0

        var bytes: [UInt8] {
            var writer = WireWriter()
            writer.write(self.value)
            writer.write(self.version)
            return writer.bytes
        }

        init(value: UInt64 = 0, version: UInt64 = 0) {
            self.value = value
            self.version = version
        }

        init(bytes: [UInt8]) throws(WireError) {
            var reader = WireReader(bytes.raw)
            self.value = try reader.read()
            self.version = try reader.read()
            try reader.end()
        }
    }

    static let resident: [[UInt8]] = [[0]]
    private static let countKey: [UInt8] = [0, 0]
    static func diskKey(_ key: Int) -> [UInt8] { [1, UInt8(key)] }

    private var count: UInt64 = 0
    /// Those that were written and are perhaps not on the disk, and those that were just read.
    private var known: [Int: Register] = [:]

    init() {}

    mutating func missing(for entries: [LogEntry]) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        for entry in entries where entry.kind == .command {
            guard let command = Command(payload: entry.payload), self.known[command.key] == nil else { continue }
            let key = Self.diskKey(command.key)
            if !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    mutating func learn(_ key: [UInt8], _ value: [UInt8]?) throws(WireError) {
        if key == Self.countKey {
            let bytes = value ?? []
            var reader = WireReader(bytes.raw)
            self.count = try reader.read()
        } else if key.count == 2, key[0] == 1 {
            guard let value else {
                self.known[Int(key[1])] = Register()
                return
            }
            self.known[Int(key[1])] = try Register(bytes: value)
        }
    }

    mutating func apply(_ entries: [LogEntry], into batch: inout StateBatch) -> [Outcome] {
        var outcomes: [Outcome] = []
        for entry in entries {
            guard entry.kind == .command, let command = Command(payload: entry.payload) else {
                outcomes.append(.nothing)
                continue
            }
            guard let before = self.known[command.key] else {
                preconditionFailure("register \(command.key) is not known")
            }
            let register = Register(value: command.value, version: entry.index)
            self.known[command.key] = register
            self.count += 1
            batch.put(Self.diskKey(command.key), register.bytes)
            outcomes.append(.wrote(before: before.version))
        }
        var writer = WireWriter()
        writer.write(self.count)
        batch.put(Self.countKey, writer.bytes)
        return outcomes
    }

    mutating func written(through index: LogIndex) {
        self.known = self.known.filter { $0.value.version > index }
    }
}
