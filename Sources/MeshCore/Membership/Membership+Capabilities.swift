extension Membership {
    /// Says what does not fit in capability records, before they are advertised.
    package static func validate(capabilities: [Label]) throws(MeshError) {
        guard capabilities.count <= CapabilityField.fieldsMax else {
            throw MeshError(
                .invalidArgument, "a node advertises at most \(CapabilityField.fieldsMax) capabilities",
                hint: "remove some")
        }
        for label in capabilities {
            guard 1...CapabilityField.keyBytesMax ~= label.key.utf8.count,
                label.value.utf8.count <= CapabilityField.valueBytesMax
            else {
                throw MeshError(
                    .invalidArgument,
                    "capability \(label.key.prefix(32)): a key has 1 to \(CapabilityField.keyBytesMax) bytes, "
                        + "a value at most \(CapabilityField.valueBytesMax)")
            }
        }
        if Set(capabilities.map(\.key)).count < capabilities.count {
            throw MeshError(.invalidArgument, "a capability is given twice", hint: "give each key once")
        }
    }

    /// Replaces this node's dynamic fields; each that changed gets its next version and is told. The caller has
    /// validated them.
    mutating func advertise(_ labels: [Label], at now: Instant) {
        var fields = self.details[0]?.fields ?? []
        for place in fields.indices where fields[place].value != nil {
            if !labels.contains(where: { $0.key == fields[place].key }) { self.set(&fields, place, nil, at: now) }
        }
        for label in labels.sorted() {
            if let place = fields.firstIndex(where: { $0.key == label.key }) {
                if fields[place].value != label.value { self.set(&fields, place, label.value, at: now) }
            } else if fields.count < CapabilityField.fieldsMax {
                fields.append(CapabilityField(key: label.key, value: nil, version: 0))
                self.set(&fields, fields.count - 1, label.value, at: now)
            } else if let place = self.withdrawnLongest(fields) {
                self.digest.toggle(fields[place], of: self.local.id)
                fields[place] = CapabilityField(key: label.key, value: nil, version: 0)
                self.set(&fields, place, label.value, at: now)
            }
        }
        self.details[0, default: MemberDetails()].fields = fields
    }

    private mutating func set(_ fields: inout [CapabilityField], _ place: Int, _ value: String?, at now: Instant) {
        if fields[place].version > 0 { self.digest.toggle(fields[place], of: self.local.id) }
        fields[place].value = value
        self.capabilityVersion += 1
        fields[place].version = self.capabilityVersion
        self.digest.toggle(fields[place], of: self.local.id)
        self.spread(&fields[place], of: 0, at: place, now: now)
    }

    private mutating func spread(_ field: inout CapabilityField, of index: Int, at place: Int, now: Instant) {
        self.hasNews(at: now)
        field.rumor = self.rumors.add(
            .capability, index: index, field: place, size: field.byteCount, toldAlready: self.toldAlready)
    }

    /// Makes room for another field; every node chooses the same.
    private func withdrawnLongest(_ fields: [CapabilityField]) -> Int? {
        fields.indices.filter { fields[$0].value == nil }.min { fields[$0].version < fields[$1].version }
    }

    /// One field of another member; the owner's version decides.
    mutating func merge(_ message: CapabilityMessage, at now: Instant, into effects: inout Effects) {
        guard let index = self.table.find(message.owner), index != 0, message.field.version > 0,
            message.epoch == self.table[index].boot.epoch, self.table[index].isLive
        else { return }
        var fields = self.details[index]?.fields ?? []
        var field = message.field
        let place: Int
        if let known = fields.firstIndex(where: { $0.key == field.key }) {
            guard field.version > fields[known].version else { return }
            self.digest.toggle(fields[known], of: message.owner)
            place = known
        } else if fields.count < CapabilityField.fieldsMax {
            place = fields.count
            fields.append(field)
        } else {
            guard let withdrawn = self.withdrawnLongest(fields) else { return effects.refuse(.malformed) }
            self.digest.toggle(fields[withdrawn], of: message.owner)
            place = withdrawn
        }
        self.digest.toggle(field, of: message.owner)
        self.spread(&field, of: index, at: place, now: now)
        fields[place] = field
        self.details[index, default: MemberDetails()].fields = fields
        effects.list.append(.advertised(message.owner))
    }
}
