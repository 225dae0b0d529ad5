internal import CRocksDB
internal import MeshCore

/// How RocksDB is tuned for a node: small in memory, strict about damage.
@safe final class DatabaseOptions: Sendable {
    enum Recovery: Sendable {
        /// A torn tail of the write-ahead log is a crash before fsync and fine; damage before its end is not. RocksDB's
        /// default would drop everything after the damage without a word.
        case strict
        /// Up to the first bad record. Only after `TornTail` found that nothing valid follows it.
        case untilDamage
    }

    /// What the database may keep in memory by default: caches and write buffers together. An idle node stays under
    /// 48 MiB with it, because both are taken only as they fill.
    static let memoryDefault = 24 << 20
    static let memoryMin = 4 << 20

    /// Of the database and of the tables that are read by key.
    nonisolated(unsafe) let pointer: OpaquePointer
    nonisolated(unsafe) private let log: OpaquePointer
    nonisolated(unsafe) private let cache: OpaquePointer
    nonisolated(unsafe) private let tables: [OpaquePointer]

    init(memory: Int = memoryDefault, recovery: Recovery = .strict) throws(StorageError) {
        let memory = max(memory, Self.memoryMin)
        // One budget: a third caches what is read, two thirds hold what was written and not yet flushed. Writes come in
        // any case, reads mostly of what was just written, which the write buffers answer.
        let cache: OpaquePointer = unsafe rocksdb_cache_create_lru(memory / 3)
        let byKey: OpaquePointer = unsafe Self.tableOptions(cache)
        // Most keys that a state asks for by name are not there (is this a duplicate?): ten bits a key spare the disk 99
        // of 100 such questions.
        unsafe rocksdb_block_based_options_set_filter_policy(byKey, rocksdb_filterpolicy_create_bloom_full(10))
        // A log is read by range, where a filter says nothing.
        let byRange: OpaquePointer = unsafe Self.tableOptions(cache)

        let options: OpaquePointer = unsafe try Self.strictOptions()
        unsafe rocksdb_options_set_block_based_table_factory(options, byKey)
        unsafe Self.limitMemory(options, buffers: memory / 3 * 2)
        unsafe Self.keepDiaryShort(options)
        unsafe Self.keepPromises(options, recovery)
        unsafe rocksdb_options_set_compression(options, Int32(rocksdb_lz4_compression))
        // The last level holds nine tenths of the data whatever there is, so that what was overwritten or deleted takes
        // little room.
        unsafe rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
        unsafe self.pointer = options
        unsafe self.log = Self.logOptions(options, table: byRange)
        unsafe self.cache = cache
        unsafe self.tables = [byKey, byRange]
    }

    deinit {
        unsafe rocksdb_options_destroy(self.log)
        unsafe rocksdb_options_destroy(self.pointer)
        for index in unsafe self.tables.indices { unsafe rocksdb_block_based_options_destroy(self.tables[index]) }
        unsafe rocksdb_cache_destroy(self.cache)
    }

    subscript(family: Family) -> OpaquePointer { unsafe family == .groupLog ? self.log : self.pointer }

    private static func tableOptions(_ cache: OpaquePointer) -> OpaquePointer {
        let table: OpaquePointer = unsafe rocksdb_block_based_options_create()
        unsafe rocksdb_block_based_options_set_block_cache(table, cache)
        // Index and filter blocks are charged to the cache, so that memory does not grow with the data.
        unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        unsafe rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        unsafe rocksdb_block_based_options_set_format_version(table, 5)
        return unsafe table
    }

    /// Entries are appended, applied and dropped by range, most of them before they are ever flushed.
    private static func logOptions(_ base: OpaquePointer, table: OpaquePointer) -> OpaquePointer {
        let log: OpaquePointer = unsafe rocksdb_options_create_copy(base)
        unsafe rocksdb_options_set_block_based_table_factory(log, table)
        // What lives so briefly is not worth compressing; payloads often are compressed already.
        unsafe rocksdb_options_set_compression(log, Int32(rocksdb_no_compression))
        // Small files: the sooner lies one whole in a dropped range, and goes without being read.
        unsafe rocksdb_options_set_target_file_size_base(log, 8 << 20)
        return unsafe log
    }

    /// The C interface has these only as text.
    private static func strictOptions() throws(StorageError) -> OpaquePointer {
        // Never resume by itself after a background error: what was not written must not look written later. And the
        // manifest remembers how long each closed log was, so that a log that is missing or shorter is noticed.
        let text = "max_bgerror_resume_count=0;track_and_verify_wals_in_manifest=true"
        let base: OpaquePointer = unsafe rocksdb_options_create()
        defer { unsafe rocksdb_options_destroy(base) }
        let strict: OpaquePointer = unsafe rocksdb_options_create()
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_get_options_from_string(base, text, strict, &failure)
        guard unsafe failure == nil else {
            unsafe rocksdb_options_destroy(strict)
            throw unsafe StorageError(taking: failure, operation: "set the options of the database")
        }
        return unsafe strict
    }

    private static func keepPromises(_ options: OpaquePointer, _ recovery: Recovery) {
        unsafe rocksdb_options_set_create_if_missing(options, 1)
        unsafe rocksdb_options_set_create_missing_column_families(options, 1)
        unsafe rocksdb_options_set_paranoid_checks(options, 1)
        let mode =
            switch recovery {
            case .strict: rocksdb_tolerate_corrupted_tail_records_recovery
            case .untilDamage: rocksdb_point_in_time_recovery
            }
        unsafe rocksdb_options_set_wal_recovery_mode(options, Int32(mode))
        // A recycled log ends in old records, from which a torn tail cannot be told.
        unsafe rocksdb_options_set_recycle_log_file_num(options, 0)
        // All tables are flushed together, so that after the log is gone they still agree with each other.
        unsafe rocksdb_options_set_atomic_flush(options, 1)
    }

    private static func limitMemory(_ options: OpaquePointer, buffers: Int) {
        // Memtables of all tables together; the write-ahead log is kept as long as one of them holds unflushed data.
        unsafe rocksdb_options_set_db_write_buffer_size(options, buffers)
        unsafe rocksdb_options_set_write_buffer_size(options, buffers / 2)
        unsafe rocksdb_options_set_max_write_buffer_number(options, 2)
        // What a start must read again, at most.
        unsafe rocksdb_options_set_max_total_wal_size(options, UInt64(buffers) * 2)
        // The default would reserve an eighth of a write buffer for each table at once.
        unsafe rocksdb_options_set_arena_block_size(options, 64 << 10)
        // Every open file keeps its reader's memory; those beyond are opened again when needed.
        unsafe rocksdb_options_set_max_open_files(options, 128)
        // A flush and a compaction at the same time; more would take the processor from the actors.
        unsafe rocksdb_options_set_max_background_jobs(options, 2)
        unsafe rocksdb_options_set_max_file_opening_threads(options, 1)
        // Long writes leave for the disk in pieces, so that an fsync never finds a flood before it.
        unsafe rocksdb_options_set_bytes_per_sync(options, 1 << 20)
    }

    /// RocksDB's own diary, for whoever repairs a database.
    private static func keepDiaryShort(_ options: OpaquePointer) {
        unsafe rocksdb_options_set_info_log_level(options, 2)
        unsafe rocksdb_options_set_max_log_file_size(options, 1 << 20)
        unsafe rocksdb_options_set_keep_log_file_num(options, 2)
        unsafe rocksdb_options_set_max_manifest_file_size(options, 4 << 20)
        unsafe rocksdb_options_set_stats_dump_period_sec(options, 0)
    }
}
