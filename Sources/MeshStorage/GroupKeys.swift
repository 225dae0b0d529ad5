internal import MeshCore

/// Where things of a group lie: every key begins with the group's number, big-endian, so that a group is a range.
enum GroupKeys {
    static func prefix(_ group: GroupID) -> [UInt8] {
        var writer = WireWriter()
        writer.write(group.number)
        return writer.bytes
    }

    /// The first key after all of the group's; the last number is left free so that there is one.
    static func end(_ group: GroupID) -> [UInt8] {
        precondition(group.number < .max, "\(group) has no successor")
        return self.prefix(GroupID(group.number + 1))
    }

    static func entry(_ group: GroupID, _ index: LogIndex) -> [UInt8] {
        var writer = WireWriter()
        writer.write(group.number)
        writer.write(index)
        return writer.bytes
    }

    static let stateHeaderBytes = 4 + 4

    static func state(_ group: GroupID, _ generation: StateGeneration, _ key: [UInt8] = []) -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(self.stateHeaderBytes + key.count)
        writer.write(group.number)
        writer.write(generation)
        writer.bytes.append(contentsOf: key)
        return writer.bytes
    }

    static func field(_ group: GroupID, _ field: ReplicaField) -> [UInt8] { self.prefix(group) + [field.rawValue] }

    /// The first key after all that begin with these bytes: the last byte that can grow grows. Within a group there always
    /// is one, because the group's own number can.
    static func successor(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.last, last == .max { end.removeLast() }
        precondition(!end.isEmpty, "a prefix of 0xff alone has no successor")
        end[end.count - 1] += 1
        return end
    }
}

/// Which of the states that lie on the disk for a group. The record of the replica names the current one; a snapshot is
/// received as the next, and nothing else is ever there. Counts around after the last number.
typealias StateGeneration = UInt32

/// What the table `replicas` holds of a group. Raw values are on disk.
enum ReplicaField: UInt8, CaseIterable, Sendable {
    case identity = 1
    case hardState = 2
    case logBase = 3
    case applied = 4
    case removed = 6
}
