// The requirement, empty if there is none, then how many preferences, and for each its weight and its condition. Requirements
// are canonical text, so that equal definitions are equal bytes.

extension WireWriter {
    mutating func write(_ placement: ActorPlacement) {
        self.write(text: placement.requires?.description ?? "")
        self.write(UInt8(placement.prefers.count))
        for preference in placement.prefers {
            self.write(UInt16(preference.weight))
            self.write(text: preference.when.description)
        }
    }
}

extension WireReader {
    mutating func actorPlacement() throws(WireError) -> ActorPlacement {
        var placement = ActorPlacement(requires: try self.requirement())
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard count <= ActorPlacement.preferencesMax else { throw WireError(.tooLong, at: place) }
        for _ in 0..<count {
            let place = self.offset
            let weight = Int(try self.read(UInt16.self))
            guard ActorPlacement.Preference.weights.contains(weight), let when = try self.requirement() else {
                throw WireError(.invalidValue, at: place)
            }
            placement.prefers.append(.init(weight: weight, when: when))
        }
        guard !placement.isEmpty else { throw WireError(.invalidValue, at: place) }
        return placement
    }

    /// Nil if it is empty.
    private mutating func requirement() throws(WireError) -> Requirement? {
        let place = self.offset
        let text = try self.text(limit: Requirement.bytesMax)
        if text.isEmpty { return nil }
        guard let requirement = try? Requirement(parsing: text), requirement.description == text else {
            throw WireError(.invalidValue, at: place)
        }
        return requirement
    }
}
