internal import Glibc
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

typealias Finding = DoctorView.Finding

/// What a node needs of its machine, before it runs and while it does. Blocks: the disk is measured.
struct MachineChecks {
    let folder: String
    /// Descriptors that this process holds; 0 where it is not the daemon.
    var openFiles = 0

    func findings() -> [Finding] {
        let disk = DiskChecks(folder: self.existingFolder)
        return self.folderFindings() + disk.findings() + self.limits() + self.clock()
    }

    /// Before the first start: where the folder will be made.
    private var existingFolder: String {
        var path = self.folder
        while !path.isEmpty, unsafe access(path, F_OK) != 0 { path = path.upToLastSlash }
        return path.isEmpty ? "/" : path
    }

    // MARK: folder

    private func folderFindings() -> [Finding] {
        var status = stat()
        guard unsafe stat(self.folder, &status) == 0 else {
            guard unsafe stat(self.existingFolder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                unsafe access(self.existingFolder, W_OK | X_OK) == 0
            else {
                return [
                    Finding(
                        .problem, "folder", self.folder,
                        "it cannot be made in \(self.existingFolder)",
                        mend: "make it as root and chown it to the daemon's user, or choose another with --data")
                ]
            }
            return [Finding(.fine, "folder", self.folder, "does not exist yet; the first start makes it")]
        }
        var findings: [Finding] = []
        if unsafe access(self.folder, R_OK | W_OK | X_OK) != 0 {
            findings.append(
                Finding(
                    .problem, "folder", self.folder, "this user cannot write there",
                    mend: "chown -R it to the user of the daemon"))
        }
        if status.st_mode & 0o077 != 0 {
            findings.append(
                Finding(
                    .warning, "folder", self.folder,
                    "others than its owner may look into it (mode \(octal(status.st_mode)))",
                    mend: "chmod 700 \(self.folder)"))
        }
        findings += ["node.key", "keyring", "mesh.token", "admin.token", "api.sock"].compactMap(self.openToOthers)
        return findings.isEmpty ? [Finding(.fine, "folder", self.folder, "belongs to its user alone")] : findings
    }

    private func openToOthers(_ name: String) -> Finding? {
        let path = self.folder + "/" + name
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & 0o077 != 0 else { return nil }
        return Finding(
            .problem, "folder", path, "holds a secret, and others may use it (mode \(octal(status.st_mode)))",
            mend: "chmod 600 \(path), and rotate the keys if somebody may have read it")
    }

    // MARK: limits

    /// Files of the database, clients, workers' pipes and the streams of a few hundred members.
    private static let openFilesMin: UInt = 1024
    private static let openFilesGood: UInt = 4096
    /// A handful of pages for each key.
    private static let lockedMin: UInt = 1 << 20
    /// RLIMIT_MEMLOCK, which Swift's Glibc module does not show.
    private static let lockedMemory = __rlimit_resource_t(8)

    private func limits() -> [Finding] {
        var files = rlimit()
        var locked = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0,
            unsafe getrlimit(Self.lockedMemory, &locked) == 0
        else { return [] }
        let mend = "LimitNOFILE= in the unit, or ulimit -n"
        let filesFinding =
            if files.rlim_max < Self.openFilesMin {
                Finding(
                    .problem, "limits", "open files",
                    "\(files.rlim_max) are allowed, and \(Self.openFilesMin) are the least",
                    mend: "raise it: \(mend)")
            } else if UInt(self.openFiles) > files.rlim_cur / 10 * 8 {
                Finding(
                    .problem, "limits", "open files", "\(self.openFiles) of \(files.rlim_cur) are in use",
                    mend: "raise it: \(mend)")
            } else if files.rlim_max < Self.openFilesGood {
                Finding(
                    .warning, "limits", "open files",
                    "\(files.rlim_max) are few for a node with many clients or members",
                    mend: "allow \(Self.openFilesGood) or more: \(mend)")
            } else {
                Finding(.fine, "limits", "open files", "\(files.rlim_max) are allowed")
            }
        let lockedFinding =
            locked.rlim_cur < Self.lockedMin
            ? Finding(
                .warning, "limits", "locked memory",
                "\(locked.rlim_cur >> 10) KiB are allowed: keys may reach the swap",
                mend: "allow 8 MiB: LimitMEMLOCK=8M in the unit, or ulimit -l")
            : Finding(.fine, "limits", "locked memory", "enough for the keys")
        return [filesFinding, lockedFinding]
    }

    // MARK: clock

    private func clock() -> [Finding] {
        switch clockIsSynchronised() {
        case nil: return [Finding(.fine, "clock", "kernel", "may not be asked whether the clock is synchronised")]
        case false:
            return [
                Finding(
                    .warning, "clock", "kernel", "the clock is not synchronised",
                    mend: "run chrony or systemd-timesyncd; in a container or a guest, on its host")
            ]
        case true: return [Finding(.fine, "clock", "kernel", "synchronised")]
        }
    }
}

func octal(_ mode: mode_t) -> String { String(mode & 0o7777, radix: 8) }

extension String {
    var upToLastSlash: String { self.lastIndex(of: "/").map { String(self[..<$0]) } ?? "" }
}
