internal import CRocksDB
internal import MeshCore

/// An open RocksDB database with one column family per table. Closing is `deinit`.
///
/// `@unchecked Sendable`: RocksDB allows reads and writes of one handle from several threads at once, and nothing
/// else here changes after `init`.
@safe struct Database: ~Copyable, @unchecked Sendable {
    let path: String
    private let handle: OpaquePointer
    /// In the order of `StorageTable.allCases`.
    private let families: [OpaquePointer?]
    private let syncedWrite: OpaquePointer
    private let reading: OpaquePointer
    /// RocksDB copies most options but keeps using some: they live as long as the handle.
    private let options: DatabaseOptions

    /// Opens the database, creating it if the folder has none.
    init(path: String) throws(StorageError) {
        let operation = "open the database \(path)"
        let options = try DatabaseOptions()
        let names = try Self.familyNames(path: path, options: options)
        let known = StorageTable.allCases.map(\.rawValue)
        if let stranger = names.first(where: { $0 != Self.defaultFamily && !known.contains($0) }) {
            throw StorageError(
                .newerFormat, operation: operation,
                detail: "it has a table named \(stranger), which this version does not know; use a newer meshnode")
        }
        // The default family must be opened too, and holds nothing.
        var handles = unsafe [OpaquePointer?](repeating: nil, count: known.count + 1)
        var failure: UnsafeMutablePointer<CChar>?
        let opened = unsafe withCStrings(known + [Self.defaultFamily]) { names in
            let familyOptions = unsafe [OpaquePointer?](repeating: options.pointer, count: handles.count)
            return unsafe rocksdb_open_column_families(
                options.pointer, path, Int32(handles.count), names, familyOptions, &handles, &failure)
        }
        guard let opened = unsafe opened else { throw unsafe StorageError(taking: failure, operation: operation) }
        if let unused = unsafe handles.last { unsafe rocksdb_column_family_handle_destroy(unused) }
        self.path = path
        unsafe self.handle = opened
        unsafe self.families = Array(handles.dropLast())
        self.options = options
        unsafe self.syncedWrite = rocksdb_writeoptions_create()
        unsafe rocksdb_writeoptions_set_sync(self.syncedWrite, 1)
        unsafe self.reading = rocksdb_readoptions_create()
        unsafe rocksdb_readoptions_set_verify_checksums(self.reading, 1)
    }

    deinit {
        for index in unsafe self.families.indices { unsafe rocksdb_column_family_handle_destroy(self.families[index]) }
        unsafe rocksdb_close(self.handle)
        unsafe rocksdb_readoptions_destroy(self.reading)
        unsafe rocksdb_writeoptions_destroy(self.syncedWrite)
    }

    /// Writes batches as one, with one fsync.
    func write(_ batches: some Sequence<StorageBatch>) throws(StorageError) {
        let joined = JoinedBatch()
        for batch in batches {
            for change in batch.changes { unsafe joined.add(change, families: self.families) }
        }
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_write(self.handle, self.syncedWrite, joined.handle, &failure)
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "write to the database \(self.path)")
        }
    }

    func get(_ table: StorageTable, _ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        var failure: UnsafeMutablePointer<CChar>?
        var count = 0
        let value = unsafe key.withCharacters { key in
            unsafe rocksdb_get_cf(
                self.handle, self.reading, self.family(table), key.baseAddress, key.count, &count, &failure)
        }
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "read \(table) in the database \(self.path)")
        }
        guard let value = unsafe value else { return nil }
        defer { unsafe rocksdb_free(value) }
        return unsafe [UInt8](copying: UnsafeRawBufferPointer(start: value, count: count))
    }

    func scan(_ range: StorageRange, limit: Int, bytesMax: Int) throws(StorageError) -> [StorageEntry] {
        let iterator = unsafe rocksdb_create_iterator_cf(self.handle, self.reading, self.family(range.table))
        defer { unsafe rocksdb_iter_destroy(iterator) }
        unsafe range.start.withCharacters { unsafe rocksdb_iter_seek(iterator, $0.baseAddress, $0.count) }
        var entries: [StorageEntry] = []
        var bytes = 0
        while entries.count < limit, bytes < bytesMax, unsafe rocksdb_iter_valid(iterator) != 0 {
            var count = 0
            let keyStart = unsafe rocksdb_iter_key(iterator, &count)
            let key = unsafe [UInt8](copying: UnsafeRawBufferPointer(start: keyStart, count: count))
            guard key.starts(with: range.prefix) else { break }
            let valueStart = unsafe rocksdb_iter_value(iterator, &count)
            let value = unsafe [UInt8](copying: UnsafeRawBufferPointer(start: valueStart, count: count))
            bytes += key.count + value.count
            entries.append(StorageEntry(key: key, value: value))
            unsafe rocksdb_iter_next(iterator)
        }
        // An iterator that meets a damaged block turns invalid, which alone would look like the end.
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_iter_get_error(iterator, &failure)
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "read \(range.table) in the database \(self.path)")
        }
        return entries
    }

    /// Failed flushes and compactions since the database was opened.
    var backgroundErrors: UInt64 {
        var count: UInt64 = 0
        _ = unsafe rocksdb_property_int(self.handle, "rocksdb.background-errors", &count)
        return count
    }

    private func family(_ table: StorageTable) -> OpaquePointer? { unsafe self.families[table.index] }

    private static let defaultFamily = "default"

    /// The column families on disk; none if there is no database yet.
    private static func familyNames(path: String, options: DatabaseOptions) throws(StorageError) -> [String] {
        guard fileExists(path + "/CURRENT") else { return [] }
        var count = 0
        var failure: UnsafeMutablePointer<CChar>?
        let list = unsafe rocksdb_list_column_families(options.pointer, path, &count, &failure)
        guard let list = unsafe list else {
            throw unsafe StorageError(taking: failure, operation: "open the database \(path)")
        }
        defer { unsafe rocksdb_list_column_families_destroy(list, count) }
        return (0..<count).compactMap { unsafe list[$0].map { unsafe String(cString: $0) } }
    }
}

/// Batches of the port as one of RocksDB.
@safe private struct JoinedBatch: ~Copyable {
    let handle: OpaquePointer = unsafe rocksdb_writebatch_create()

    deinit { unsafe rocksdb_writebatch_destroy(self.handle) }

    func add(_ change: StorageBatch.Change, families: [OpaquePointer?]) {
        switch change {
        case .put(let table, let key, let value):
            unsafe key.withCharacters { key in
                unsafe value.withCharacters { value in
                    unsafe rocksdb_writebatch_put_cf(
                        self.handle, families[table.index], key.baseAddress, key.count, value.baseAddress, value.count)
                }
            }
        case .delete(let table, let key):
            unsafe key.withCharacters {
                unsafe rocksdb_writebatch_delete_cf(self.handle, families[table.index], $0.baseAddress, $0.count)
            }
        }
    }
}

extension StorageTable {
    /// Its place in `allCases`.
    fileprivate var index: Int {
        switch self {
        case .node: 0
        case .mailboxes: 1
        case .messages: 2
        case .state: 3
        case .idempotency: 4
        case .outcomes: 5
        case .deadLetters: 6
        }
    }
}
