internal import CRocksDB
internal import MeshCore

/// A walk over one column family, in ascending order of keys, at one moment.
@safe struct DatabaseIterator: ~Copyable {
    private let handle: OpaquePointer
    private let place: String
    /// An iterator must be gone before the database is closed.
    private let database: Database

    init(_ handle: OpaquePointer, of family: Family, in database: Database) {
        unsafe self.handle = handle
        self.place = "\(family.name) in the database \(database.path)"
        self.database = database
    }

    deinit { unsafe rocksdb_iter_destroy(self.handle) }

    func seek(_ key: [UInt8]) {
        unsafe key.withCharacters { unsafe rocksdb_iter_seek(self.handle, $0.baseAddress, $0.count) }
    }

    func next() { unsafe rocksdb_iter_next(self.handle) }

    /// False at the end. An iterator that meets a damaged block turns invalid, which alone would look like the end.
    func isValid() throws(StorageError) -> Bool {
        if unsafe rocksdb_iter_valid(self.handle) != 0 { return true }
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_iter_get_error(self.handle, &failure)
        if unsafe failure != nil { throw unsafe StorageError(taking: failure, operation: "read \(self.place)") }
        return false
    }

    /// The key it stands on, borrowed until it moves. Only where it is valid.
    var key: RawSpan {
        @_lifetime(borrow self) get {
            var count = 0
            let start = unsafe rocksdb_iter_key(self.handle, &count)
            let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(start ?? Self.nowhere), byteCount: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    var value: RawSpan {
        @_lifetime(borrow self) get {
            var count = 0
            let start = unsafe rocksdb_iter_value(self.handle, &count)
            let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(start ?? Self.nowhere), byteCount: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Entries whose keys begin with `prefix`, from `start` on; `dropping` bytes of each key are left out.
    func entries(
        from start: [UInt8], prefix: [UInt8], limit: Int, bytesMax: Int, dropping: Int = 0
    ) throws(StorageError) -> [StorageEntry] {
        var entries: [StorageEntry] = []
        var bytes = 0
        self.seek(start)
        while entries.count < limit, bytes < bytesMax, try self.isValid(), self.keyStarts(with: prefix) {
            let entry = StorageEntry(key: self.copyKey(dropping: dropping), value: self.copyValue())
            bytes += entry.key.count + entry.value.count
            entries.append(entry)
            self.next()
        }
        return entries
    }

    func keyStarts(with prefix: [UInt8]) -> Bool { self.key.starts(with: prefix) }
    /// A copy of the key without its first bytes.
    func copyKey(dropping count: Int = 0) -> [UInt8] {
        let key = self.key
        return [UInt8](copying: key.extracting(count..<key.byteCount))
    }
    /// Of key and value.
    var byteCount: Int { self.key.byteCount + self.value.byteCount }
    func copyValue() -> [UInt8] { [UInt8](copying: self.value) }

    /// What an empty span begins at.
    private static var nowhere: UnsafePointer<CChar> { unsafe UnsafePointer(bitPattern: 1).unsafelyUnwrapped }
}

extension RawSpan {
    func starts(with prefix: [UInt8]) -> Bool {
        guard self.byteCount >= prefix.count else { return false }
        for index in prefix.indices where unsafe self.unsafeLoad(fromByteOffset: index, as: UInt8.self) != prefix[index]
        {
            return false
        }
        return true
    }
}
