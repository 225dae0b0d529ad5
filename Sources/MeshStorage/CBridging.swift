internal import CRocksDB
internal import Glibc
internal import MeshCore

extension [UInt8] {
    /// The bytes as C's `char`, valid during the call.
    func withCharacters<R>(_ body: (UnsafeBufferPointer<CChar>) -> R) -> R {
        unsafe self.withUnsafeBytes { raw in unsafe raw.withMemoryRebound(to: CChar.self) { unsafe body($0) } }
    }
}

/// An array of C strings, valid during the call.
func withCStrings<R>(_ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> R) -> R {
    let copies = unsafe texts.map { unsafe strdup($0) }
    defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
    let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) }
    return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}

func fileExists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

extension StorageError {
    /// Reads and frees what RocksDB says. It speaks in sentences only, so the code is told from their beginnings.
    init(taking message: UnsafeMutablePointer<CChar>?, operation: String) {
        let text = unsafe message.map { unsafe String(cString: $0) } ?? "RocksDB gave no reason"
        unsafe rocksdb_free(message)
        self.init(rocksDB: text, operation: operation)
    }

    init(rocksDB text: String, operation: String) {
        let lowered = text.lowercased()
        if lowered.contains("lock") && (lowered.contains("unavailable") || lowered.contains("lock hold by")) {
            self.init(
                .inUse, operation: operation,
                detail: "another process is using it; stop that one, or give this one a folder of its own")
        } else if text.hasPrefix("Corruption") || lowered.contains("checksum") {
            self.init(
                .corrupt, operation: operation,
                detail: "it is damaged (\(text)); restore the folder from a backup, or move it away and start empty")
        } else if lowered.contains("permission denied") || lowered.contains("not a directory")
            || lowered.contains("read-only file system")
        {
            self.init(.unreadable, operation: operation, detail: "\(text); check the folder's owner and mode")
        } else {
            self.init(.failed, operation: operation, detail: text)
        }
    }
}
