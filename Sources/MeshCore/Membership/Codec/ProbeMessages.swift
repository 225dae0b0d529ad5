/// Are you there, `target`? Whoever else lives at that address now must not answer.
package struct Ping: Hashable, Sendable {
    package static let byteCount = 1 + 4 + 16

    package var sequence: UInt32
    package var target: NodeID

    package init(sequence: UInt32, target: NodeID) {
        self.sequence = sequence
        self.target = target
    }
}

/// Ask `target` on my behalf; answer with an ack, or with a nack when 80 % of `timeout` have passed in silence.
package struct PingRequest: Hashable, Sendable {
    package static let byteCount = 1 + 4 + 16 + 2

    package var sequence: UInt32
    package var target: NodeID
    /// Milliseconds.
    package var timeout: UInt16

    package init(sequence: UInt32, target: NodeID, timeout: UInt16) {
        self.sequence = sequence
        self.target = target
        self.timeout = timeout
    }
}

extension WireReader {
    package mutating func ping() throws(WireError) -> Ping {
        Ping(sequence: try self.read(), target: try self.nodeID())
    }

    package mutating func pingRequest() throws(WireError) -> PingRequest {
        PingRequest(sequence: try self.read(), target: try self.nodeID(), timeout: try self.read())
    }
}

extension WireWriter {
    package mutating func write(_ ping: Ping) {
        self.write(MessageKind.ping)
        self.write(ping.sequence)
        self.write(ping.target)
    }

    package mutating func write(_ request: PingRequest) {
        self.write(MessageKind.pingRequest)
        self.write(request.sequence)
        self.write(request.target)
        self.write(request.timeout)
    }

    /// An ack, a nack, or a ping or pong of a stream.
    package mutating func write(_ kind: MessageKind, sequence: UInt32) {
        self.write(kind)
        self.write(sequence)
    }

    /// How many datagrams were sent to the receiver of a frame.
    package mutating func write(datagramCount count: UInt64) {
        self.write(MessageKind.datagramCount)
        self.write(count)
    }

    /// The header already names the epoch; the counter says which packet is answered.
    package mutating func write(epochAnswerTo counter: UInt64) {
        self.write(MessageKind.epochAnswer)
        self.write(counter)
    }
}
