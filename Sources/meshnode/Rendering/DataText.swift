package import MeshStorage

/// What `data` prints for people.
package enum DataText {
    /// The findings, worst first, each with its mend below.
    package static func verification(_ report: DataReport, color: Bool) -> String {
        var lines = [self.summary(report, color: color)]
        for severity in [DataReport.Severity.damage, .loss, .note] {
            for finding in report.findings where finding.severity == severity {
                let mark = self.style(severity).applied(to: severity.rawValue, color: color)
                lines.append("\(mark)  \(printable(finding.place)): \(printable(finding.text))")
                lines.append("        mend: \(printable(finding.mend))")
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func summary(_ report: DataReport, color: Bool) -> String {
        let (damage, losses) = (report.count(.damage), report.count(.loss))
        let verdict =
            damage + losses == 0
            ? self.style(.note).applied(to: "sound", color: color)
            : self.style(damage > 0 ? .damage : .loss).applied(
                to: "\(counted(damage, "damage")), \(counted(losses, "loss", "losses"))", color: color)
        let entries = report.tables.reduce(0) { $0 + $1.entries }
        let bytes = report.tables.reduce(0) { $0 + $1.bytes }
        return "\(printable(report.path)) of node \(report.node): \(verdict)"
            + "; read \(counted(entries, "entry", "entries")) with \(size(bytes)) in "
            + "\(counted(report.tables.count, "table")), \(counted(report.groups.count, "group"))"
    }

    private static func style(_ severity: DataReport.Severity) -> Style {
        switch severity {
        case .damage: .bad
        case .loss: .warning
        case .note: .good
        }
    }

    package static func groups(_ report: DataReport, width: Int?) -> String {
        var table = Table([
            .right("GROUP"), .left("STATUS"), .right("ADDED AT"), .right("TERM"), .right("BASE"), .right("APPLIED"),
            .right("LAST"), .right("LOG"), .right("VALUES"), .right("STATE"), .right("VOTERS"), .left("CHAIN"),
        ])
        for group in report.groups {
            let replica = group.replica
            let numbers = [replica?.addedAt, replica?.term, replica?.base, replica?.applied, replica?.last]
            table.add(
                ["\(group.group)", group.status.rawValue] + numbers.map { $0.map { "\($0)" } ?? "-" } + [
                    replica.map { size($0.logBytes) } ?? "-", "\(group.stateEntries)", size(group.stateBytes),
                    replica.map { "\($0.voters.count)" } ?? "-", replica?.chain ?? "-",
                ])
        }
        return table.text(width: width)
    }

    package static func entries(_ entries: [DataReport.Entry]) -> String {
        var table = Table([
            .right("INDEX"), .right("TERM"), .left("KIND"), .right("BYTES"), .left("CHAIN"), .left("PAYLOAD"),
        ])
        for entry in entries {
            table.add([
                "\(entry.index)", "\(entry.term)", entry.kind, "\(entry.bytes)", entry.chain, entry.payload ?? "",
            ])
        }
        // Whoever wants payloads wants them whole.
        return table.text(width: nil)
    }
}

/// Exactly, until that is too long to read.
private func size(_ bytes: Int) -> String { bytes < 1 << 20 ? "\(bytes)B" : Human.bytes(bytes) }

private func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
    "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
