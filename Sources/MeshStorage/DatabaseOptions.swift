internal import CRocksDB
internal import MeshCore

/// How RocksDB is tuned for a node: small in memory, strict about damage.
@safe final class DatabaseOptions {
    let pointer: OpaquePointer
    private let cache: OpaquePointer
    private let table: OpaquePointer

    init() throws(StorageError) {
        unsafe self.pointer = try Self.strictOptions()
        // One small cache for all tables: mailboxes are read once and in order, and what is hot is in our own memory.
        unsafe self.cache = rocksdb_cache_create_lru(8 << 20)
        unsafe self.table = rocksdb_block_based_options_create()
        unsafe rocksdb_block_based_options_set_block_cache(self.table, self.cache)
        // Index and filter blocks are charged to the cache, so that memory does not grow with the data.
        unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks(self.table, 1)
        unsafe rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(self.table, 1)
        unsafe rocksdb_block_based_options_set_format_version(self.table, 5)
        unsafe rocksdb_block_based_options_set_filter_policy(self.table, rocksdb_filterpolicy_create_bloom_full(10))
        unsafe rocksdb_options_set_block_based_table_factory(self.pointer, self.table)
        self.limitMemory()
        self.keepLogsShort()

        unsafe rocksdb_options_set_create_if_missing(self.pointer, 1)
        unsafe rocksdb_options_set_create_missing_column_families(self.pointer, 1)
        unsafe rocksdb_options_set_paranoid_checks(self.pointer, 1)
        // A torn tail of the log is a crash before fsync and fine; damage before its end is not. The default would
        // drop everything after the damage without a word.
        unsafe rocksdb_options_set_wal_recovery_mode(
            self.pointer, Int32(rocksdb_tolerate_corrupted_tail_records_recovery))
        unsafe rocksdb_options_set_recycle_log_file_num(self.pointer, 0)
        // All tables are flushed together, so that after the log is gone they still agree with each other.
        unsafe rocksdb_options_set_atomic_flush(self.pointer, 1)
        unsafe rocksdb_options_set_compression(self.pointer, Int32(rocksdb_lz4_compression))
    }

    deinit {
        unsafe rocksdb_options_destroy(self.pointer)
        unsafe rocksdb_block_based_options_destroy(self.table)
        unsafe rocksdb_cache_destroy(self.cache)
    }

    /// Never resume by itself after a background error: what was not written must not look written later. The C
    /// interface has this one only as text.
    private static func strictOptions() throws(StorageError) -> OpaquePointer {
        let base: OpaquePointer = unsafe rocksdb_options_create()
        defer { unsafe rocksdb_options_destroy(base) }
        let strict: OpaquePointer = unsafe rocksdb_options_create()
        var failure: UnsafeMutablePointer<CChar>?
        unsafe rocksdb_get_options_from_string(base, "max_bgerror_resume_count=0", strict, &failure)
        guard unsafe failure == nil else {
            unsafe rocksdb_options_destroy(strict)
            throw unsafe StorageError(taking: failure, operation: "set the options of the database")
        }
        return unsafe strict
    }

    private func limitMemory() {
        // Memtables of all tables together; the log is kept as long as one of them holds unflushed data.
        unsafe rocksdb_options_set_db_write_buffer_size(self.pointer, 16 << 20)
        unsafe rocksdb_options_set_write_buffer_size(self.pointer, 8 << 20)
        unsafe rocksdb_options_set_max_write_buffer_number(self.pointer, 2)
        unsafe rocksdb_options_set_max_total_wal_size(self.pointer, 32 << 20)
        // The default would reserve an eighth of a write buffer for each table at once.
        unsafe rocksdb_options_set_arena_block_size(self.pointer, 64 << 10)
        // Every open file keeps its reader's memory; those beyond are opened again when needed.
        unsafe rocksdb_options_set_max_open_files(self.pointer, 128)
        unsafe rocksdb_options_set_max_background_jobs(self.pointer, 2)
        unsafe rocksdb_options_set_max_file_opening_threads(self.pointer, 1)
        // Long writes leave for the disk in pieces, so that an fsync never finds a flood before it.
        unsafe rocksdb_options_set_bytes_per_sync(self.pointer, 1 << 20)
    }

    /// RocksDB's own diary, for whoever repairs a database.
    private func keepLogsShort() {
        unsafe rocksdb_options_set_info_log_level(self.pointer, 2)
        unsafe rocksdb_options_set_max_log_file_size(self.pointer, 1 << 20)
        unsafe rocksdb_options_set_keep_log_file_num(self.pointer, 2)
        unsafe rocksdb_options_set_max_manifest_file_size(self.pointer, 4 << 20)
        unsafe rocksdb_options_set_stats_dump_period_sec(self.pointer, 0)
    }
}
