package import MeshRuntime

/// What `doctor` prints for people: the findings, worst first, each with its mend below.
package enum DoctorText {
    package static func text(_ view: DoctorView, color: Bool) -> String {
        var lines = [self.summary(view, color: color)]
        for finding in view.findings {
            let style: Style =
                switch finding.severity {
                case .problem: .bad
                case .warning: .warning
                case .fine: .good
                }
            let mark = style.applied(to: pad(finding.severity.rawValue, to: 8), color: color)
            lines.append(
                "\(mark) \(pad(finding.check, to: 9))\(printable(finding.place)): \(printable(finding.what))")
            if !finding.mend.isEmpty { lines.append("                  mend: \(printable(finding.mend))") }
        }
        return lines.joined(separator: "\n")
    }

    private static func summary(_ view: DoctorView, color: Bool) -> String {
        let (problems, warnings) = (view.count(.problem), view.count(.warning))
        let style: Style = problems > 0 ? .bad : warnings > 0 ? .warning : .good
        let counts = "\(counted(problems, "problem")), \(counted(warnings, "warning"))"
        let how = view.running ? "" : "; no daemon runs, so only its machine was looked at"
        return "\(printable(view.node)): " + style.applied(to: counts, color: color) + how
    }
}

private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

private func pad(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
}
