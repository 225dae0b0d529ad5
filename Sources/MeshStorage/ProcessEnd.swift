internal import Glibc
internal import MeshCore

/// Ends the process at once, with one line on standard error.
///
/// After a failed fsync the kernel may drop the dirty pages and report success the next time (Rebello et al., ATC 2020), so a
/// second try proves nothing. Only a restart, which reads what is really there, can go on.
///
/// Not `fatalError`: its backtrace would hold the lock and the sockets for seconds, in which nobody takes over, and it
/// prints memory, in which keys can stand.
func endProcess(because reason: String) -> Never {
    let mend =
        if reason.contains("No space left") || reason.contains("File too large") {
            "make room on the disk, then start it again"
        } else if reason.contains("Too many open files") {
            "raise the limit of open files, then start it again"
        } else {
            "check the disk, then start it again: it goes on from what is really there"
        }
    let line = Array("meshnode ends: \(reason); \(mend)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(1)
}

/// What must not fail, or the process ends.
func demand<Value>(_ body: () throws(StorageError) -> Value) -> Value {
    do { return try body() } catch { endProcess(because: "\(error)") }
}
