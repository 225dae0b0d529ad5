internal import Glibc
internal import MeshCore

extension Database {
    /// Opens the database of a node, making it if there is none, and tells what a crash leaves from damage.
    ///
    /// A torn end of the write-ahead log, with nothing valid after it, is what a power cut leaves of a write that was never
    /// acknowledged: it is cut off. Whether it was acknowledged all the same, the watermark knows.
    static func open(
        _ path: String, mode: Mode = .readWrite, memory: Int, whenTorn: (TornTail.Verdict) -> Void = { _ in }
    ) throws(StorageError) -> Database {
        try self.refuseLeftovers(in: path)
        do throws(StorageError) {
            return try Database(path: path, mode: mode, options: try DatabaseOptions(memory: memory))
        } catch {
            guard error.code == .corrupt else { throw error }
            let verdict = try TornTail.judge(path)
            guard case .torn = verdict else { throw error }
            whenTorn(verdict)
            let options = try DatabaseOptions(memory: memory, recovery: .untilDamage)
            return try Database(path: path, mode: mode, options: options)
        }
    }

    /// Without `CURRENT`, RocksDB would take a folder full of data for an empty one and begin anew.
    private static func refuseLeftovers(in path: String) throws(StorageError) {
        guard !fileExists(path + "/CURRENT") else { return }
        let leftovers = try fileNames(in: path).filter {
            $0.hasSuffix(".sst") || $0.hasPrefix("MANIFEST-") || TornTail.number(ofLog: $0) != nil
        }
        guard let first = leftovers.min() else { return }
        throw StorageError(
            .corrupt, operation: "open the database \(path)",
            detail: "its file CURRENT is missing while others are there, such as \(first); restore the folder from a "
                + "backup, or move it away and start empty")
    }
}

/// The names in a folder; none if there is no folder.
func fileNames(in path: String) throws(StorageError) -> [String] {
    guard let folder = unsafe opendir(path) else {
        if errno == ENOENT { return [] }
        let reason = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
        throw StorageError(
            .unreadable, operation: "read the folder \(path)", detail: "\(reason); check its owner and mode")
    }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
            unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}
