/// Takes a stream of server-sent events apart (WHATWG HTML, 9.2.6); comments are dropped.
package struct EventParser: Sendable {
    package struct Event: Hashable, Sendable {
        package var kind: String
        /// Where to go on after it; empty if the stream never said.
        package var id: String
        package var data: [UInt8]
    }

    static let lineBytesMax = 1 << 20

    private var line: [UInt8] = []
    private var kind = ""
    private var id = ""
    private var data: [UInt8] = []

    package init() {}

    package mutating func feed(_ bytes: some Sequence<UInt8>) throws -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                guard self.line.count < Self.lineBytesMax else {
                    throw CommandFailure("a line of the event stream is too long")
                }
                self.line.append(byte)
                continue
            }
            if let event = self.endLine() { events.append(event) }
            self.line.removeAll(keepingCapacity: true)
        }
        return events
    }

    private mutating func endLine() -> Event? {
        if self.line.last == UInt8(ascii: "\r") { self.line.removeLast() }
        guard !self.line.isEmpty else {
            defer { (self.kind, self.data) = ("", []) }
            return self.data.isEmpty ? nil : Event(kind: self.kind, id: self.id, data: self.data)
        }
        let colon = self.line.firstIndex(of: UInt8(ascii: ":")) ?? self.line.endIndex
        var value = self.line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: self.line[..<colon], as: UTF8.self) {
        case "event": self.kind = String(decoding: value, as: UTF8.self)
        case "id": self.id = String(decoding: value, as: UTF8.self)
        case "data": self.data += value
        default: break
        }
        return nil
    }
}
