internal import CSodium
package import MeshCore

/// Keyring entries with the secrets that go along, as they travel and as they lie in the node's file.
package struct KeyTable: Sendable {
    private static let version: UInt8 = 1
    private static let entryBytesMax = 4 + 1 + 2 * 24 + JoinToken.keyBytes
    package static let bytesMax = 2 + Keyring.entriesMax * entryBytesMax

    package var entries: [Keyring.Entry]
    package var keys: [MeshKey]

    package init(entries: [Keyring.Entry], keys: [MeshKey]) {
        self.entries = entries
        self.keys = keys
    }

    // Version, number of entries; each: id, flags (1 removed, 2 secret follows), changed, used, [secret].
    package func write(to writer: inout WireWriter) {
        // In one allocation: growth would leave copies of secrets behind.
        writer.bytes.reserveCapacity(writer.count + Self.bytesMax)
        writer.write(Self.version)
        writer.write(UInt8(self.entries.count))
        for entry in self.entries {
            let key = self.keys.first { $0.id == entry.id }
            writer.write(entry.id.value)
            writer.write((entry.isRemoved ? 1 : 0) | (key == nil ? 0 : 2) as UInt8)
            writer.write(entry.changed)
            writer.write(entry.used)
            guard let key else { continue }
            unsafe key.secret.withUnsafeBytes { secret in
                unsafe writer.bytes.append(contentsOf: UnsafeBufferPointer(start: secret, count: key.secret.count))
            }
        }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard try reader.read(UInt8.self) == Self.version else { throw WireError(.unsupportedVersion, at: 0) }
        let count = Int(try reader.read(UInt8.self))
        guard count <= Keyring.entriesMax else { throw WireError(.tooLong, at: 1) }
        (self.entries, self.keys) = ([], [])
        for _ in 0..<count {
            let place = reader.offset
            let id = KeyID(try reader.read())
            let flags = try reader.read(UInt8.self)
            let entry = Keyring.Entry(
                id: id, changed: try reader.stamp(), isRemoved: flags & 1 != 0, used: try reader.stamp())
            // A removed key has no secret any more, and no key is told twice.
            guard flags <= 2, !self.entries.contains(where: { $0.id == id }) else {
                throw WireError(.invalidValue, at: place)
            }
            self.entries.append(entry)
            guard flags == 2 else { continue }
            let key = MeshKey(SecretBytes(copying: try reader.span(JoinToken.keyBytes)))
            guard key.id == id else { throw WireError(.invalidValue, at: place) }
            self.keys.append(key)
        }
    }
}

extension WireReader {
    fileprivate mutating func stamp() throws(WireError) -> Keyring.Stamp {
        let place = self.offset
        let stamp = Keyring.Stamp(counter: try self.read(), origin: try self.nodeID())
        guard stamp.counter <= Keyring.Stamp.counterMax else { throw WireError(.invalidValue, at: place) }
        return stamp
    }
}

extension WireWriter {
    fileprivate mutating func write(_ stamp: Keyring.Stamp) {
        self.write(stamp.counter)
        self.write(stamp.origin)
    }
}

/// Overwrites bytes that held a secret, where nobody else holds them: a shared array would be copied, not wiped.
package func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { buffer in
        guard let start = buffer.baseAddress else { return }
        unsafe sodium_memzero(start, buffer.count)
    }
    bytes = []
}
