/// Text in columns that fits a width: numbers to the right, what can be shortened is shortened, with an ellipsis.
package struct Table: Sendable {
    package struct Column: Sendable {
        var title: String
        var isRight: Bool
        /// How far it may shrink; nil keeps it whole.
        var minimum: Int?
        /// Left out where even the shrunken columns do not fit, the highest first; nil stays.
        var rank: Int?

        package static func left(_ title: String) -> Column { Column(title: title, isRight: false, minimum: nil) }
        package static func right(_ title: String) -> Column { Column(title: title, isRight: true, minimum: nil) }
        package static func flexible(_ title: String, min: Int) -> Column {
            Column(title: title, isRight: false, minimum: min)
        }

        package func dispensable(_ rank: Int) -> Column {
            var column = self
            column.rank = rank
            return column
        }
    }

    private static let gap = 2

    private let columns: [Column]
    private var rows: [[String]] = []
    private var styles: [[Int: Style]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    /// `styles` by column. Whatever came from outside is made harmless: no control character reaches the terminal.
    package mutating func add(_ cells: [String], styles: [Int: Style] = [:]) {
        precondition(cells.count == self.columns.count, "\(cells.count) cells in \(self.columns.count) columns")
        self.rows.append(cells.map(printable))
        self.styles.append(styles)
    }

    /// Without a newline at the end. `width` nil: as wide as it needs.
    package func text(width: Int?, color: Bool = false) -> String {
        let (kept, widths) = self.layout(width)
        var lines = [self.line(self.columns.map(\.title), kept, widths, [:], color: color)]
        for (row, styles) in zip(self.rows, self.styles) {
            lines.append(self.line(row, kept, widths, styles, color: color))
        }
        return lines.joined(separator: "\n")
    }

    /// Which columns, and how wide: natural widths; then columns go that may, while the rest could not shrink enough;
    /// then the widest of those that may shrink loses one at a time until all fit.
    private func layout(_ limit: Int?) -> (kept: [Int], widths: [Int]) {
        var kept = Array(self.columns.indices)
        var widths = self.columns.indices.map { index in
            self.rows.reduce(self.columns[index].title.count) { max($0, $1[index].count) }
        }
        guard let limit else { return (kept, widths) }
        let width = { (widths: [Int]) in kept.map { widths[$0] }.reduce(Self.gap * (kept.count - 1), +) }
        let least = self.columns.indices.map { min(widths[$0], self.columns[$0].minimum ?? .max) }
        while width(least) > limit,
            let next = kept.filter({ self.columns[$0].rank != nil }).max(by: {
                self.columns[$0].rank ?? 0 < self.columns[$1].rank ?? 0
            })
        {
            kept.removeAll { $0 == next }
        }
        while width(widths) > limit {
            let candidates = kept.filter { widths[$0] > self.columns[$0].minimum ?? .max }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return (kept, widths)
    }

    private func line(
        _ cells: [String], _ kept: [Int], _ widths: [Int], _ styles: [Int: Style], color: Bool
    ) -> String {
        var line = ""
        for index in kept {
            if index != kept.first { line += String(repeating: " ", count: Self.gap) }
            let text = shortened(cells[index], to: widths[index])
            let styled = (styles[index] ?? .plain).applied(to: text, color: color)
            let padding = String(repeating: " ", count: widths[index] - text.count)
            line += self.columns[index].isRight ? padding + styled : styled + padding
        }
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }
}

private func shortened(_ text: String, to width: Int) -> String {
    text.count <= width ? text : text.prefix(max(0, width - 1)) + "…"
}

/// Control characters become `?`: a name from another machine must not move the cursor.
package func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "?" : $0 }))
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
}
