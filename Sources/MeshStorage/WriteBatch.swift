internal import CRocksDB
internal import MeshCore

/// Changes that RocksDB writes as one. Of two changes of one key the later wins.
@safe struct WriteBatch: ~Copyable {
    let handle: OpaquePointer = unsafe rocksdb_writebatch_create()
    private let families: FamilyHandles
    private(set) var byteCount = 0

    init(_ families: FamilyHandles) { self.families = families }

    deinit { unsafe rocksdb_writebatch_destroy(self.handle) }

    var isEmpty: Bool { self.byteCount == 0 }

    mutating func put(_ family: Family, _ key: [UInt8], _ value: [UInt8]) {
        unsafe key.withCharacters { key in
            unsafe value.withCharacters { value in
                unsafe rocksdb_writebatch_put_cf(
                    self.handle, self.families[family], key.baseAddress, key.count, value.baseAddress, value.count)
            }
        }
        self.byteCount += key.count + value.count + 1
    }

    mutating func delete(_ family: Family, _ key: [UInt8]) {
        unsafe key.withCharacters {
            unsafe rocksdb_writebatch_delete_cf(self.handle, self.families[family], $0.baseAddress, $0.count)
        }
        self.byteCount += key.count + 1
    }

    /// All keys from `first` up to, not including, `end`.
    mutating func delete(_ family: Family, from first: [UInt8], to end: [UInt8]) {
        unsafe first.withCharacters { first in
            unsafe end.withCharacters { end in
                unsafe rocksdb_writebatch_delete_range_cf(
                    self.handle, self.families[family], first.baseAddress, first.count, end.baseAddress, end.count)
            }
        }
        self.byteCount += first.count + end.count + 1
    }

    mutating func add(_ batch: StorageBatch) {
        for change in batch.changes {
            switch change {
            case .put(let table, let key, let value): self.put(Family(table), key, value)
            case .delete(let table, let key): self.delete(Family(table), key)
            }
        }
    }

    mutating func clear() {
        unsafe rocksdb_writebatch_clear(self.handle)
        self.byteCount = 0
    }
}
