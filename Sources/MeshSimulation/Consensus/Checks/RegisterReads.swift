/// Reads and writes of registers are linearizable.
///
/// The log is the order of the writes, so this needs no search: a read is wrong exactly if it returns a write that is
/// older than one that somebody had already been told of, by an acknowledgement or a read, when it began.
struct RegisterReads: Sendable {
    static let name = "linearizable reads"
    static let writesName = "writes see the write before them"

    /// By group and key: the latest write that anybody was told of.
    private var told: [[UInt64]]

    init(groups: Int) {
        self.told = Array(repeating: Array(repeating: 0, count: RegisterMachine.keys), count: groups)
    }

    func floor(group: Int, key: Int) -> UInt64 { self.told[group][key] }

    mutating func wrote(version: UInt64, group: Int, key: Int) {
        self.told[group][key] = max(self.told[group][key], version)
    }

    mutating func read(version: UInt64, floor: UInt64, group: Int, key: Int) -> String? {
        self.told[group][key] = max(self.told[group][key], version)
        guard version < floor else { return nil }
        return "read the write of index \(version) though that of \(floor) had been told before"
    }

    /// Nobody was told of a write between the two: such a one would have been replaced instead.
    func replaced(_ before: UInt64, by version: UInt64, group: Int, key: Int) -> String? {
        let told = self.told[group][key]
        guard before >= version || (told < version && told > before) else { return nil }
        return "the write of index \(version) replaced that of \(before), though that of \(told) was told"
    }
}
