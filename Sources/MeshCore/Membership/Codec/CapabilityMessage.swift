/// One dynamic field of a member, ordered by its owner's own count of changes.
package struct CapabilityField: Hashable, Sendable {
    package static let keyBytesMax = 64
    package static let valueBytesMax = 255
    /// Eight GPUs in seven instances each have 227.
    package static let fieldsMax = 256
    /// A message before the field itself.
    static let messageBytesBefore = 1 + 16 + 8

    package var key: String
    /// nil: the owner withdrew the field.
    package var value: String?
    package var version: UInt32

    package init(key: String, value: String?, version: UInt32) {
        self.key = key
        self.value = value
        self.version = version
    }

    var byteCount: Int {
        Self.messageBytesBefore + 4 + 1 + self.key.utf8.count + 1 + 1 + (self.value?.utf8.count ?? 0)
    }
}

/// Whose field follows, and which version of it.
package struct CapabilityHeader: Hashable, Sendable {
    package var owner: NodeID
    package var epoch: UInt64
    package var version: UInt32
}

extension WireReader {
    package mutating func capabilityHeader() throws(WireError) -> CapabilityHeader {
        CapabilityHeader(owner: try self.nodeID(), epoch: try self.read(), version: try self.read())
    }

    @_lifetime(copy self)
    package mutating func capabilityKey() throws(WireError) -> RawSpan {
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard 1...CapabilityField.keyBytesMax ~= count else { throw WireError(.tooLong, at: place) }
        return try self.span(count)
    }

    /// What follows the key of a field that is news.
    package mutating func capability(
        _ header: CapabilityHeader, key: RawSpan
    ) throws(WireError) -> CapabilityField {
        let place = self.offset
        let presence: UInt8 = try self.read()
        let value = try self.shortText()
        guard presence <= 1, presence == 1 || value.isEmpty else { throw WireError(.invalidValue, at: place) }
        let text = unsafe key.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        guard let text else { throw WireError(.invalidText, at: place) }
        return CapabilityField(key: text, value: presence == 1 ? value : nil, version: header.version)
    }

    /// What follows the key of a field that is known already: it is not copied.
    mutating func skipCapability() throws(WireError) {
        let place = self.offset
        guard try self.read(UInt8.self) <= 1 else { throw WireError(.invalidValue, at: place) }
        _ = try self.span(Int(try self.read(UInt8.self)))
    }
}

extension WireWriter {
    package mutating func write(_ field: CapabilityField, of owner: NodeID, epoch: UInt64) {
        self.write(capabilityOf: owner, epoch: epoch)
        self.write(told: field)
    }

    mutating func write(_ field: FieldList.Field, of owner: NodeID, epoch: UInt64) {
        self.write(capabilityOf: owner, epoch: epoch)
        self.bytes.append(contentsOf: field.told)
    }

    mutating func write(told field: CapabilityField) {
        self.write(field.version)
        self.write(shortText: field.key)
        self.write(UInt8(field.value == nil ? 0 : 1))
        self.write(shortText: field.value ?? "")
    }

    private mutating func write(capabilityOf owner: NodeID, epoch: UInt64) {
        self.write(MessageKind.capability)
        self.write(owner)
        self.write(epoch)
    }
}
