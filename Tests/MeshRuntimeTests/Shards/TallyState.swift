import MeshCore
import MeshRuntime

/// Sums under one-byte keys, and in memory the number of commands ever applied.
struct TallyState: ReplicatedState {
    static let resident: [[UInt8]] = [[0]]
    private(set) var commands: UInt64 = 0
    private(set) var known: [UInt8: UInt64] = [:]

    static func payload(_ key: UInt8, _ number: UInt64) -> [UInt8] {
        var writer = WireWriter()
        writer.write(key)
        writer.write(number)
        return writer.bytes
    }

    static func diskKey(_ key: UInt8) -> [UInt8] { [1, key] }

    private static func word(_ bytes: [UInt8]) throws(WireError) -> UInt64 {
        var reader = WireReader(bytes.raw)
        return try reader.read()
    }

    private static func command(_ entry: LogEntry) -> (key: UInt8, number: UInt64)? {
        guard entry.kind == .command, entry.payload.count == 9 else { return nil }
        var reader = WireReader(entry.payload.raw)
        guard let key = try? reader.read(UInt8.self), let number = try? reader.read(UInt64.self) else { return nil }
        return (key, number)
    }

    mutating func missing(for entries: [LogEntry]) -> [[UInt8]] {
        let keys = entries.compactMap { Self.command($0)?.key }.filter { self.known[$0] == nil }
        return Set(keys).sorted().map(Self.diskKey)
    }

    mutating func learn(_ key: [UInt8], _ value: [UInt8]?) throws(WireError) {
        guard key.count == 2 else { throw WireError(.invalidValue, at: 0) }
        if key[0] == 0 {
            self.commands = try Self.word(value ?? [])
        } else if let value {
            self.known[key[1]] = try Self.word(value)
        } else {
            self.known[key[1]] = 0
        }
    }

    mutating func apply(_ entries: [LogEntry], into batch: inout StateBatch) -> [UInt64?] {
        entries.map { entry in
            guard let (key, number) = Self.command(entry) else { return nil }
            guard let before = self.known[key] else { preconditionFailure("tally \(key) is not known") }
            self.known[key] = before + number
            self.commands += 1
            for (key, word) in [(Self.diskKey(key), before + number), ([0, 0], self.commands)] {
                var writer = WireWriter()
                writer.write(word)
                batch.put(key, writer.bytes)
            }
            return before + number
        }
    }

    mutating func written(through index: LogIndex) { self.known = [:] }
}
