/// One dynamic field of a member, ordered by its owner's own count of changes.
package struct CapabilityField: Hashable, Sendable {
    package static let keyBytesMax = 64
    package static let valueBytesMax = 255
    package static let fieldsMax = 64

    package var key: String
    /// nil: the owner withdrew the field.
    package var value: String?
    package var version: UInt32
    /// The stamp of the rumor that is told about it; 0 if none is.
    var rumor: UInt32 = 0

    package init(key: String, value: String?, version: UInt32) {
        self.key = key
        self.value = value
        self.version = version
    }

    package var byteCount: Int { 1 + 16 + 8 + 4 + 1 + self.key.utf8.count + 1 + 1 + (self.value?.utf8.count ?? 0) }

    /// Equal on every node (FNV-1a).
    package var keyHash: UInt64 {
        self.key.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}

package struct CapabilityMessage: Hashable, Sendable {
    package var owner: NodeID
    package var epoch: UInt64
    package var field: CapabilityField

    package init(owner: NodeID, epoch: UInt64, field: CapabilityField) {
        self.owner = owner
        self.epoch = epoch
        self.field = field
    }
}

extension WireReader {
    package mutating func capability() throws(WireError) -> CapabilityMessage {
        let (owner, epoch, version) = (try self.nodeID(), try self.read(UInt64.self), try self.read(UInt32.self))
        var place = self.offset
        let key = try self.shortText()
        guard key.utf8.count <= CapabilityField.keyBytesMax, !key.isEmpty else {
            throw WireError(.tooLong, at: place)
        }
        place = self.offset
        let presence: UInt8 = try self.read()
        guard presence <= 1 else { throw WireError(.invalidValue, at: place) }
        let value = try self.shortText()
        guard presence == 1 || value.isEmpty else { throw WireError(.invalidValue, at: place) }
        let field = CapabilityField(key: key, value: presence == 1 ? value : nil, version: version)
        return CapabilityMessage(owner: owner, epoch: epoch, field: field)
    }
}

extension WireWriter {
    package mutating func write(_ field: CapabilityField, of owner: NodeID, epoch: UInt64) {
        self.write(MessageKind.capability)
        self.write(owner)
        self.write(epoch)
        self.write(field.version)
        self.write(shortText: field.key)
        self.write(UInt8(field.value == nil ? 0 : 1))
        self.write(shortText: field.value ?? "")
    }
}
