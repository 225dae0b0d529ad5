/// What `doctor` answers: everything that was looked at, worst first.
package struct DoctorView: Codable, Sendable {
    package enum Severity: String, Codable, Sendable, CaseIterable {
        /// Something does not work, or will be lost.
        case problem
        /// It works, but not as it should.
        case warning
        case fine
    }

    package struct Finding: Codable, Hashable, Sendable {
        package var severity: Severity
        /// `clock`, `ports`, `udp`, `mtu`, `disk`, `limits`, `folder`, `versions`, `keys` or `members`.
        package var check: String
        /// A member, a file, an address.
        package var place: String
        package var what: String
        /// What to do about it; empty where nothing is wrong.
        package var mend: String

        package init(_ severity: Severity, _ check: String, _ place: String, _ what: String, mend: String = "") {
            self.severity = severity
            self.check = check
            self.place = place
            self.what = what
            self.mend = mend
        }
    }

    /// Name of the node that looked.
    package var node: String
    /// False: the daemon does not run, and only what can be seen without it was looked at.
    package var running: Bool
    package var findings: [Finding]

    package init(node: String, running: Bool, findings: [Finding]) {
        self.node = node
        self.running = running
        let rank = { (finding: Finding) in Severity.allCases.firstIndex(of: finding.severity) ?? 0 }
        self.findings = findings.enumerated()
            .sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }.map(\.element)
    }

    package func count(_ severity: Severity) -> Int { self.findings.count { $0.severity == severity } }
}
