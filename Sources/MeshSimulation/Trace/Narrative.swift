/// What happened, for people: kept only when somebody reads along, and never without end.
package struct Narrative: Sendable {
    private static let linesMax = 100_000

    package let isOn: Bool
    package private(set) var lines: [String] = []

    init(isOn: Bool) { self.isOn = isOn }

    package mutating func add(_ line: @autoclosure () -> String) {
        if self.isOn, self.lines.count < Self.linesMax { self.lines.append(line()) }
    }

    package mutating func drain() -> [String] {
        defer { self.lines = [] }
        return self.lines
    }
}
