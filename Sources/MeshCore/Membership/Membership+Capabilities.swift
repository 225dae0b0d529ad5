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
        for field in self.table.fields(of: 0) where field.value != nil {
            let key = field.decoded.key
            if !labels.contains(where: { $0.key == key }) { self.advertise(key, nil, at: field.place, now: now) }
        }
        for label in labels.sorted() {
            if let (place, value) = self.ownField(label.key) {
                if value != label.value { self.advertise(label.key, label.value, at: place, now: now) }
            } else if let place = self.table.placeForField(of: 0) {
                self.advertise(label.key, label.value, at: place, now: now)
            }
        }
    }

    private func ownField(_ key: String) -> (place: Int, value: String?)? {
        self.table.fields(of: 0).field(of: key).map { ($0.place, $0.decoded.value) }
    }

    private mutating func advertise(_ key: String, _ value: String?, at place: Int, now: Instant) {
        self.capabilityVersion += 1
        self.set(CapabilityField(key: key, value: value, version: self.capabilityVersion), at: place, of: 0, now: now)
    }

    /// Puts a field in its place and tells it.
    private mutating func set(_ field: CapabilityField, at place: Int, of index: Int, now: Instant) {
        self.toggleField(at: place, of: index)
        self.table.setField(field, at: place, of: index)
        self.toggleField(at: place, of: index)
        // Alone there is nobody to tell, and whoever comes gets it all by an exchange.
        guard !self.order.isEmpty else { return }
        self.hasNews(at: now)
        let stamp = self.rumors.add(
            .capability, index: index, field: place, size: field.byteCount, toldAlready: self.toldAlready)
        self.table.setFieldRumor(stamp, at: place, of: index)
    }

    /// One field of another member; the owner's version decides. Returns which field the sender knows at least as
    /// well as this node did.
    mutating func receiveCapability(
        _ reader: inout WireReader, at now: Instant, into effects: inout Effects
    ) throws(WireError) -> (index: Int, place: Int)? {
        let header = try reader.capabilityHeader()
        let key = try reader.capabilityKey()
        guard let index = self.table.find(header.owner), header.version > 0,
            header.epoch == self.table[index].boot.epoch, self.table[index].isLive
        else {
            try reader.skipCapability()
            return nil
        }
        let known = self.table.locateField(key, of: index)
        if index == 0 || header.version <= known?.version ?? 0 {
            try reader.skipCapability()
            return known.flatMap { header.version == $0.version ? (index, $0.place) : nil }
        }
        let field = try reader.capability(header, key: key)
        guard let place = known?.place ?? self.table.placeForField(of: index) else {
            effects.refuse(.malformed)
            return nil
        }
        self.set(field, at: place, of: index, now: now)
        effects.list.append(.advertised(header.owner))
        return (index, place)
    }

    private mutating func toggleField(at place: Int, of index: Int) {
        guard let field = self.table.fields(of: index)[place] else { return }
        self.digest.toggle(field, of: self.table[index].id)
    }

    /// Takes all fields of a member out of the digest, or puts them in again.
    mutating func toggleFields(of index: Int) {
        for field in self.table.fields(of: index) { self.digest.toggle(field, of: self.table[index].id) }
    }
}

extension Membership {
    /// A member and what it advertises under one key; of a dead one, what it advertised last.
    package struct FieldHolder: Hashable, Sendable {
        package var id: NodeID
        package var state: MemberState
        package var value: String?
    }

    /// Everyone known, ordered by id, without the rest of what is known of them.
    package func holders(ofField key: String) -> [FieldHolder] {
        (0..<self.table.end).filter(self.table.isUsed).map { index in
            FieldHolder(
                id: self.table[index].id, state: self.table[index].state,
                value: self.table.fields(of: index).field(of: key)?.decoded.value)
        }.sorted { $0.id < $1.id }
    }
}
