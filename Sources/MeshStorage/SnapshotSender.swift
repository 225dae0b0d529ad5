internal import MeshCore

/// A snapshot on its way out: an iterator over the group's keys at one moment of the database.
///
/// The stream is a function of that moment, so any part of it can be had again; of the latest chunks it is known where they
/// began, because those are the ones that get lost on the way.
final class SnapshotSender {
    /// Where the reading stands.
    private struct Cursor {
        enum Next {
            case header
            case key([UInt8])
            case nothing
        }
        var offset: UInt64 = 0
        var next = Next.header
        var hash: UInt64 = 0
        var entries: UInt64 = 0
        /// The rest of an entry that did not fit into the chunk before.
        var rest: ArraySlice<UInt8> = []

        var isAtEnd: Bool { if case .nothing = self.next { self.rest.isEmpty } else { false } }
    }

    private static let bookmarksMax = 16

    let place: ChainedPosition
    private let group: GroupID
    private let prefix: [UInt8]
    private let iterator: DatabaseIterator
    private let snapshot: DatabaseSnapshot
    private var cursor = Cursor()
    /// The key that the iterator stands on, if it is the one after the cursor.
    private var standsOn: [UInt8]?
    /// Where the latest chunks began, in ascending order.
    private var bookmarks: [Cursor] = []

    /// Nil if there is no state to send.
    init?(of group: GroupID, in database: Database) throws(StorageError) {
        let snapshot = database.makeSnapshot(fillsCache: false)
        guard let (place, generation) = try database.appliedPlace(of: group, at: snapshot) else { return nil }
        self.place = place
        self.group = group
        self.prefix = GroupKeys.state(group, generation)
        self.iterator = database.iterator(.groupState, at: snapshot)
        self.snapshot = snapshot
    }

    func chunk(at offset: UInt64, bytesMax: Int) throws(StorageError) -> (bytes: [UInt8], isLast: Bool) {
        try self.rewind(to: offset)
        if self.bookmarks.count == Self.bookmarksMax { self.bookmarks.removeFirst() }
        self.bookmarks.append(self.cursor)
        var bytes: [UInt8] = []
        while !self.cursor.isAtEnd {
            if self.cursor.rest.isEmpty {
                let before = self.cursor
                let part = try self.nextPart()
                // Chunks end between entries where they can, so that a bookmark need not hold half of one.
                guard bytes.isEmpty || bytes.count + part.count <= bytesMax else {
                    self.cursor = before
                    self.standsOn = nil
                    break
                }
                self.cursor.rest = part[...]
            }
            let taken = self.cursor.rest.prefix(bytesMax - bytes.count)
            bytes += taken
            self.cursor.rest = self.cursor.rest.dropFirst(taken.count)
            if bytes.count >= bytesMax { break }
        }
        self.cursor.offset = offset + UInt64(bytes.count)
        return (bytes, self.cursor.isAtEnd)
    }

    /// Goes to an offset: on from here, from a bookmark, or from the beginning.
    private func rewind(to offset: UInt64) throws(StorageError) {
        guard offset != self.cursor.offset else { return }
        while let last = self.bookmarks.last, last.offset > offset { self.bookmarks.removeLast() }
        self.cursor = self.bookmarks.popLast() ?? Cursor()
        self.standsOn = nil
        while self.cursor.offset < offset, !self.cursor.isAtEnd {
            if self.cursor.rest.isEmpty { self.cursor.rest = try self.nextPart()[...] }
            let skipped = min(self.cursor.rest.count, Int(clamping: offset - self.cursor.offset))
            self.cursor.rest = self.cursor.rest.dropFirst(skipped)
            self.cursor.offset += UInt64(skipped)
        }
    }

    /// The header, an entry or the end.
    private func nextPart() throws(StorageError) -> [UInt8] {
        switch self.cursor.next {
        case .nothing: return []
        case .header:
            let header = SnapshotFraming.header(self.group, self.place)
            self.cursor.hash = xxHash64(header.raw)
            self.cursor.next = .key(self.prefix)
            return header
        case .key(let key):
            if self.standsOn != key { self.iterator.seek(key) }
            guard try self.iterator.isValid(), self.iterator.keyStarts(with: self.prefix) else {
                self.cursor.next = .nothing
                return SnapshotFraming.end(entries: self.cursor.entries, hash: self.cursor.hash)
            }
            let part = SnapshotFraming.entry(
                key: self.iterator.copyKey(dropping: self.prefix.count), value: self.iterator.copyValue())
            self.cursor.hash = xxHash64(part.raw, seed: self.cursor.hash)
            self.cursor.entries += 1
            try self.advance()
            return part
        }
    }

    private func advance() throws(StorageError) {
        self.iterator.next()
        let key = try self.iterator.isValid() ? self.iterator.copyKey() : GroupKeys.end(self.group)
        self.standsOn = key
        self.cursor.next = .key(key)
    }
}

extension Database {
    /// The position that the state of a group has, with the log's chain there, and which state that is.
    fileprivate func appliedPlace(
        of group: GroupID, at snapshot: borrowing DatabaseSnapshot
    ) throws(StorageError) -> (ChainedPosition, StateGeneration)? {
        let found = try self.field(.applied, of: group, at: snapshot) { reader throws(WireError) in
            try reader.position()
        }
        guard let applied = found, let base = try self.logBase(of: group, at: snapshot) else { return nil }
        if applied == base.place.position { return (base.place, base.generation) }
        guard let value = try self.get(.groupLog, GroupKeys.entry(group, applied.index), at: snapshot) else {
            throw self.damage(in: group, "entry \(applied.index), which its state is of, is missing")
        }
        return (try self.chainedPosition(reading: value, at: applied.index, in: group), base.generation)
    }
}
