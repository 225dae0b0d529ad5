internal import ArgumentParser
internal import MeshCore

/// What the argument parser says of a mistake, in the shape of every other error, and with a mend where it knows none.
package enum UsageText {
    package static func mended(_ text: String) -> String {
        var lines = text.split(separator: "\n").map(String.init)
        guard let first = lines.first, first.hasPrefix("Error: ") else { return text }
        lines[0] = "meshnode: " + first.dropFirst("Error: ".count)
        if let word = self.unexpected(in: first) {
            lines.insert("  " + self.mend(of: word, in: lines), at: 1)
        }
        return lines.joined(separator: "\n")
    }

    /// The first word that the parser did not expect: `Unexpected argument 'x'`, `2 unexpected arguments: 'x', 'y'`.
    private static func unexpected(in line: String) -> String? {
        guard line.lowercased().contains("unexpected argument") else { return nil }
        let parts = line.split(separator: "'", omittingEmptySubsequences: false)
        return parts.count > 2 ? String(parts[1]) : nil
    }

    private static func mend(of word: String, in lines: [String]) -> String {
        let usage = lines.first { $0.hasPrefix("Usage: meshnode") }?.split(separator: " ").map(String.init) ?? []
        let command = usage.dropFirst(2).first ?? ""
        let group = Meshnode.configuration.subcommands.first { $0.configuration.commandName == command }
        var known: [String] = []
        var aliases: [String] = []
        for subcommand in (group ?? Meshnode.self).configuration.subcommands {
            let configuration = subcommand.configuration
            guard configuration.shouldDisplay else { continue }
            known.append(configuration.commandName ?? "")
            aliases += configuration.aliases
        }
        if known.isEmpty { return "'meshnode \(command)' takes no such argument; quote one that has spaces" }
        let prefix = group == nil ? "meshnode" : "meshnode \(command)"
        return nearest(to: word, among: known + aliases).map { "did you mean '\(prefix) \($0)'?" }
            ?? "the commands are \(known.joined(separator: ", "))"
    }
}
