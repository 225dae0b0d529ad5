internal import MeshCore

/// Body of a `keyring` frame: what it is for, and the keyring of whoever sends it.
struct KeyFrame: Sendable {
    enum Purpose: UInt8, Sendable {
        /// Take what you lack.
        case tell = 1
        /// The same, and answer with your own when your disk has it.
        case ask = 2
        /// To an ask, under its correlation.
        case answer = 3
    }

    var purpose: Purpose
    var table: KeyTable

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(1 + KeyTable.bytesMax)
        writer.write(self.purpose.rawValue)
        self.table.write(to: &writer)
        return writer.bytes
    }

    init(_ purpose: Purpose, _ table: KeyTable) {
        self.purpose = purpose
        self.table = table
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard let purpose = Purpose(rawValue: try reader.read()) else { throw WireError(.unknownKind, at: 0) }
        self.purpose = purpose
        self.table = try KeyTable(from: &reader)
        try reader.end()
    }
}
