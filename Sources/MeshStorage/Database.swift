internal import CRocksDB
internal import MeshCore

/// The handles of the column families, valid while the database is open.
///
/// `@unchecked Sendable`, for a C pointer is never Sendable: the array does not change after `init`, RocksDB lets several
/// threads use a handle at once, and `destroy` is called by the `deinit` of its only owner, when nobody can use one any more.
@safe struct FamilyHandles: @unchecked Sendable {
    /// In the order of `Family`.
    private let handles: [OpaquePointer?]

    init(_ handles: [OpaquePointer?]) { unsafe self.handles = handles }

    subscript(family: Family) -> OpaquePointer? { unsafe self.handles[family.rawValue] }

    func destroy() {
        for index in unsafe self.handles.indices { unsafe rocksdb_column_family_handle_destroy(self.handles[index]) }
    }
}

/// An open RocksDB database. Closing is `deinit`.
///
/// `@unchecked Sendable`, for a C pointer is never Sendable: RocksDB lets several threads read and write by one handle at once
/// (its wiki, Basic Operations, Concurrency), and nothing here changes after `init`.
@safe final class Database: @unchecked Sendable {
    enum Mode: Sendable {
        case readWrite
        /// Changes nothing on disk, not even what recovery would.
        case readOnly
    }

    let path: String
    let families: FamilyHandles
    private let handle: OpaquePointer
    private let plainWrite: OpaquePointer
    private let reading: OpaquePointer
    /// RocksDB copies most options but keeps using some: they live as long as the handle.
    private let options: DatabaseOptions

    /// Opens the database, creating it if the folder has none.
    init(path: String, mode: Mode = .readWrite, options: DatabaseOptions) throws(StorageError) {
        let operation = "open the database \(path)"
        let names = try Self.familyNames(path: path, options: options)
        let known = Family.allCases.map(\.name)
        if let stranger = names.first(where: { $0 != Self.defaultFamily && !known.contains($0) }) {
            throw StorageError(
                .newerFormat, operation: operation,
                detail: "it has a table named \(stranger), which this version does not know; use a newer meshnode")
        }
        if mode == .readOnly, let missing = known.first(where: { !names.contains($0) }) {
            throw StorageError(
                .unreadable, operation: operation,
                detail: names.isEmpty
                    ? "there is none" : "it has no table \(missing) yet; start the node once with this version")
        }
        // The default family must be opened too, and holds nothing.
        var handles = unsafe [OpaquePointer?](repeating: nil, count: known.count + 1)
        var failure: UnsafeMutablePointer<CChar>?
        let opened = unsafe withCStrings(known + [Self.defaultFamily]) { names in
            let familyOptions: [OpaquePointer?] = unsafe Family.allCases.map { unsafe options[$0] } + [options.pointer]
            let count = unsafe Int32(handles.count)
            return switch mode {
            case .readWrite:
                unsafe rocksdb_open_column_families(
                    options.pointer, path, count, names, familyOptions, &handles, &failure)
            case .readOnly:
                unsafe rocksdb_open_for_read_only_column_families(
                    options.pointer, path, count, names, familyOptions, &handles, 0, &failure)
            }
        }
        guard let opened = unsafe opened else { throw unsafe StorageError(taking: failure, operation: operation) }
        if let unused = unsafe handles.last { unsafe rocksdb_column_family_handle_destroy(unused) }
        self.path = path
        unsafe self.handle = opened
        self.families = unsafe FamilyHandles(Array(handles.dropLast()))
        self.options = options
        unsafe self.plainWrite = rocksdb_writeoptions_create()
        unsafe self.reading = rocksdb_readoptions_create()
        unsafe rocksdb_readoptions_set_verify_checksums(self.reading, 1)
    }

    deinit {
        self.families.destroy()
        unsafe rocksdb_close(self.handle)
        unsafe rocksdb_readoptions_destroy(self.reading)
        unsafe rocksdb_writeoptions_destroy(self.plainWrite)
    }

    // MARK: Writing

    /// Writes a batch: every read sees it, a kill of the process leaves it, the end of the machine's power may not.
    func write(_ batch: borrowing WriteBatch) throws(StorageError) {
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_write(self.handle, self.plainWrite, batch.handle, &failure)
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "write to the database \(self.path)")
        }
    }

    /// Returns when everything written so far is durable.
    func sync() throws(StorageError) {
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_flush_wal(self.handle, 1, &failure)
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "write to the database \(self.path)")
        }
    }

    /// Failed flushes and compactions since the database was opened.
    var backgroundErrors: UInt64 {
        var count: UInt64 = 0
        _ = unsafe rocksdb_property_int(self.handle, "rocksdb.background-errors", &count)
        return count
    }

    // MARK: Reading

    func get(_ family: Family, _ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        unsafe try self.get(family, key, self.reading)
    }

    func get(_ family: Family, _ key: [UInt8], at snapshot: borrowing DatabaseSnapshot) throws(StorageError) -> [UInt8]?
    {
        unsafe try self.get(family, key, snapshot.reading)
    }

    private func get(_ family: Family, _ key: [UInt8], _ options: OpaquePointer) throws(StorageError) -> [UInt8]? {
        var failure: UnsafeMutablePointer<CChar>?
        let value = unsafe key.withCharacters { key in
            unsafe rocksdb_get_pinned_cf(
                self.handle, options, self.families[family], key.baseAddress, key.count, &failure)
        }
        if unsafe failure != nil {
            throw unsafe StorageError(taking: failure, operation: "read \(family.name) in the database \(self.path)")
        }
        guard let value = unsafe value else { return nil }
        defer { unsafe rocksdb_pinnableslice_destroy(value) }
        var count = 0
        let start = unsafe rocksdb_pinnableslice_value(value, &count)
        return unsafe [UInt8](copying: UnsafeRawBufferPointer(start: start, count: count))
    }

    func iterator(_ family: Family) -> DatabaseIterator {
        unsafe DatabaseIterator(
            rocksdb_create_iterator_cf(self.handle, self.reading, self.families[family]), of: family, in: self)
    }

    func iterator(_ family: Family, at snapshot: borrowing DatabaseSnapshot) -> DatabaseIterator {
        unsafe DatabaseIterator(
            rocksdb_create_iterator_cf(self.handle, snapshot.reading, self.families[family]), of: family, in: self)
    }

    // MARK: Copies

    /// A consistent copy in a folder that does not exist yet: files that never change are linked, the rest is written.
    func checkpoint(to folder: String) throws(StorageError) {
        let operation = "copy the database \(self.path) to \(folder)"
        var failure: UnsafeMutablePointer<CChar>?
        let checkpoint = unsafe rocksdb_checkpoint_object_create(self.handle, &failure)
        guard let checkpoint = unsafe checkpoint else {
            throw unsafe StorageError(taking: failure, operation: operation)
        }
        defer { unsafe rocksdb_checkpoint_object_destroy(checkpoint) }
        // 0: flush first, so that the copy needs no log.
        unsafe rocksdb_checkpoint_create(checkpoint, folder, 0, &failure)
        if unsafe failure != nil { throw unsafe StorageError(taking: failure, operation: operation) }
    }

    /// - Parameter fillsCache: false for what is read once from the beginning to the end: what others read often shall stay
    ///   in the cache.
    func makeSnapshot(fillsCache: Bool) -> DatabaseSnapshot {
        unsafe DatabaseSnapshot(self, self.handle, fillsCache: fillsCache)
    }

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

/// One moment of the database: reads at it see nothing that was written later. Letting go of it is `deinit`.
///
/// `@unchecked Sendable`, for a C pointer is never Sendable: nothing changes after `init`, and reads of one snapshot may be
/// concurrent; it has one owner, so it is released once.
@safe struct DatabaseSnapshot: ~Copyable, @unchecked Sendable {
    /// A snapshot must be released before the database is closed.
    private let database: Database
    private let handle: OpaquePointer
    private let snapshot: OpaquePointer
    let reading: OpaquePointer

    init(_ database: Database, _ handle: OpaquePointer, fillsCache: Bool) {
        self.database = database
        unsafe self.handle = handle
        unsafe self.snapshot = rocksdb_create_snapshot(handle)
        unsafe self.reading = rocksdb_readoptions_create()
        unsafe rocksdb_readoptions_set_verify_checksums(self.reading, 1)
        unsafe rocksdb_readoptions_set_snapshot(self.reading, self.snapshot)
        unsafe rocksdb_readoptions_set_fill_cache(self.reading, fillsCache ? 1 : 0)
    }

    deinit {
        unsafe rocksdb_readoptions_destroy(self.reading)
        unsafe rocksdb_release_snapshot(self.handle, self.snapshot)
    }
}
