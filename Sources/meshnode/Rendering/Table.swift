/// Text in columns that fits a width: numbers to the right, what can be shortened is shortened, with an ellipsis.
package struct Table: Sendable {
    package struct Column: Sendable {
        var title: String
        var isRight: Bool
        /// How far it may shrink; nil keeps it whole.
        var minimum: Int?

        package static func left(_ title: String) -> Column { Column(title: title, isRight: false, minimum: nil) }
        package static func right(_ title: String) -> Column { Column(title: title, isRight: true, minimum: nil) }
        package static func flexible(_ title: String, min: Int) -> Column {
            Column(title: title, isRight: false, minimum: min)
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
        let widths = self.widths(width)
        var lines = [self.line(self.columns.map(\.title), widths, [:], color: color)]
        for (row, styles) in zip(self.rows, self.styles) {
            lines.append(self.line(row, widths, styles, color: color))
        }
        return lines.joined(separator: "\n")
    }

    /// Natural widths, then the widest of those that may shrink loses one at a time until all fit.
    private func widths(_ limit: Int?) -> [Int] {
        var widths = self.columns.indices.map { index in
            self.rows.reduce(self.columns[index].title.count) { max($0, $1[index].count) }
        }
        guard let limit else { return widths }
        let gaps = Self.gap * (self.columns.count - 1)
        while widths.reduce(gaps, +) > limit {
            let candidates = self.columns.indices.filter { widths[$0] > self.columns[$0].minimum ?? .max }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return widths
    }

    private func line(_ cells: [String], _ widths: [Int], _ styles: [Int: Style], color: Bool) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            if index > 0 { line += String(repeating: " ", count: Self.gap) }
            let text = shortened(cell, to: widths[index])
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
