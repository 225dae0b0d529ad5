internal import Glibc
internal import MeshCore
internal import MeshTransport

/// The folder a node lives in: who it is, which mesh it belongs to, and what it must not forget.
///
/// | file             | holds                                                              | mode |
/// |------------------|--------------------------------------------------------------------|------|
/// | `lock`           | held by the running daemon                                         | 0600 |
/// | `node.key`       | X25519 secret key, 32 bytes                                        | 0600 |
/// | `boot`           | boot epoch, decimal; raised and fsynced before the first packet    | 0600 |
/// | `keyring`        | the mesh's keys and when each was changed                          | 0600 |
/// | `mesh.token`     | cluster id and keys, as a join token; follows `keyring`            | 0600 |
/// | `admin.token`    | bearer token of the HTTP API                                       | 0600 |
/// | `members`        | who was in the mesh, for a restart without `--join`                | 0600 |
/// | `founder`        | this node made its mesh, and its partitions are still to begin     | 0600 |
/// | `addresses.json` | what was bound                                                     | 0644 |
/// | `api.sock`       | HTTP for the local user                                            | 0600 |
/// | `db/`            | RocksDB                                                            | 0700 |
/// | `db.watermark`   | what the groups in it had made durable                             | 0600 |
struct DataFolder: Sendable {
    let path: String

    var database: String { self.path + "/db" }
    var hasDatabase: Bool { unsafe access(self.database, F_OK) == 0 }
    var apiSocket: String { self.path + "/api.sock" }

    private enum Name: String {
        case lock, boot, members, keyring, founder
        case nodeKey = "node.key"
        case meshToken = "mesh.token"
    }

    /// Makes the folder if it is missing, and checks that this user can write there.
    init(creating path: String) throws {
        self.path = path
        try makeFolders(path)
        guard unsafe access(path, R_OK | W_OK | X_OK) == 0 else {
            throw fileFailure(
                "use the data folder", path, mend: "give its owner rights with chown, or choose another with --data")
        }
    }

    /// A folder that some daemon made; for commands that only read.
    init(existing path: String) throws {
        self.path = path
        guard unsafe access(path, R_OK | X_OK) == 0 else {
            if errno == ENOENT {
                throw MeshError(
                    .notFound, "there is no data folder \(path)",
                    hint: "name the daemon's with --data, or make a mesh with 'meshnode start'")
            }
            throw fileFailure(
                "read the data folder", path, mend: "run as the user of the daemon, or name its folder with --data")
        }
    }

    /// Held until the process ends. Taken before any socket is touched: two daemons with one identity would each be
    /// a clone of the other.
    func lock() throws -> FolderLock {
        guard let lock = try FolderLock(taking: self.file(.lock)) else {
            throw MeshError(
                .conflict, "another daemon runs on \(self.path)",
                hint: "stop it, or give this one a folder of its own with --data")
        }
        return lock
    }

    // MARK: identity

    func nodeKey() throws -> SecretBytes? { try FileIO.readSecret(self.file(.nodeKey), limit: 64) }
    func save(nodeKey: SecretBytes) throws { try FileIO.replace(self.file(.nodeKey), with: nodeKey) }

    /// Raises the counter on disk, and only then says its value. A counter that is lost cannot begin again: the others
    /// would take the node for its own past.
    func raiseBootEpoch(mayBegin: Bool) throws -> UInt64 {
        let path = self.file(.boot)
        let bytes = try FileIO.read(path, limit: 64)
        let text =
            bytes.map { String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace } } ?? (mayBegin ? "0" : "")
        guard let last = UInt64(text), last < .max else {
            throw MeshError(
                .internalError, "\(path) \(bytes == nil ? "is missing" : "does not hold a boot epoch")",
                hint: "restore it from a backup, or start over with an empty data folder: the node gets a new identity")
        }
        try FileIO.replace(path, with: Array("\(last + 1)\n".utf8))
        return last + 1
    }

    // MARK: the mesh

    func meshToken() throws -> String? { try self.token(in: self.file(.meshToken)) }
    /// The text of a token's file, here or elsewhere; nil if there is none.
    func token(in path: String) throws -> String? { try Self.text(path, limit: 64 << 10) }
    func save(meshToken: String) throws {
        try FileIO.replace(self.file(.meshToken), with: Array((meshToken + "\n").utf8))
    }

    func keyring() throws -> SecretBytes? { try FileIO.readSecret(self.file(.keyring), limit: 64 << 10) }
    func save(keyring: [UInt8]) throws { try FileIO.replace(self.file(.keyring), with: keyring) }

    /// Made on first use.
    func adminToken(random: () -> String) throws -> String {
        let path = self.path + "/admin.token"
        if let bytes = try FileIO.read(path, limit: 4096) {
            let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
            if !text.isEmpty { return text }
        }
        let token = random()
        try FileIO.replace(path, with: Array((token + "\n").utf8))
        return token
    }

    func rememberedMembers() throws -> [UInt8]? { try FileIO.read(self.file(.members), limit: 16 << 20) }
    func remember(members: [UInt8]) throws { try FileIO.replace(self.file(.members), with: members) }

    /// This node made its mesh, and the partitions of the mesh are still to begin. Not to be told from what else the folder
    /// holds: who lost its database must not begin them a second time.
    var isFounder: Bool { unsafe access(self.file(.founder), F_OK) == 0 }
    func beFounder() throws { try FileIO.replace(self.file(.founder), with: []) }
    func forgetFounding() throws {
        guard unsafe unlink(self.file(.founder)) == 0 || errno == ENOENT else {
            throw fileFailure("remove", self.file(.founder))
        }
    }

    func save(addresses json: [UInt8]) throws {
        try FileIO.replace(self.path + "/addresses.json", with: json, mode: 0o644)
    }

    /// What is bound now is not yet known; what was bound once must not be read as if it were.
    func forgetAddresses() throws {
        for stale in [self.path + "/addresses.json", self.apiSocket] where unsafe unlink(stale) != 0 && errno != ENOENT
        {
            throw fileFailure("remove", stale)
        }
    }

    private func file(_ name: Name) -> String { self.path + "/" + name.rawValue }

    private static func text(_ path: String, limit: Int) throws -> String? {
        guard let bytes = try FileIO.read(path, limit: limit) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
    }
}

/// `mkdir -p`, with mode 0700 for what is new.
private func makeFolders(_ path: String) throws {
    var current = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
        current += "/" + part
        if unsafe mkdir(current, 0o700) == 0 {
            // What hangs on a folder must not be lost with it in a power cut.
            try FileIO.syncFolder(of: current)
        } else if errno != EEXIST {
            throw fileFailure(
                "make the data folder", current, mend: "choose another with --data, or make it as root and chown it")
        }
    }
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw MeshError(.invalidArgument, "\(path) is not a folder", hint: "choose another data folder with --data")
    }
}
