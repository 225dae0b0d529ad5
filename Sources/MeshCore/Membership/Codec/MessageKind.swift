/// The first byte of every message, on the wire. Messages follow each other without padding to the end of a packet.
package enum MessageKind: UInt8, Sendable, CaseIterable {
    // In datagrams only.
    case ping = 1
    case ack = 2
    case nack = 3
    case pingRequest = 4
    case epochAnswer = 5
    case summary = 6
    // In datagrams and frames.
    case alive = 16
    case suspect = 17
    case dead = 18
    case left = 19
    case capability = 20
    case event = 21
    // In frames only.
    case streamPing = 32
    case streamPong = 33
    case exchange = 34
    case delta = 35
    case datagramCount = 36
}

extension WireReader {
    package mutating func messageKind() throws(WireError) -> MessageKind {
        let place = self.offset
        guard let kind = MessageKind(rawValue: try self.read()) else { throw WireError(.unknownKind, at: place) }
        return kind
    }
}

extension WireWriter {
    package mutating func write(_ kind: MessageKind) { self.write(kind.rawValue) }
}
