/// Are you there, `target`? Whoever else lives at that address now must not answer.
struct Ping: Hashable, Sendable {
    static let byteCount = 1 + 4 + 16

    var sequence: UInt32
    var target: NodeID
}

/// Ask `target` on my behalf; answer with an ack, or with a nack when 80 % of `timeout` have passed in silence.
struct PingRequest: Hashable, Sendable {
    static let byteCount = 1 + 4 + 16 + 2

    var sequence: UInt32
    var target: NodeID
    /// Milliseconds.
    var timeout: UInt16
}

extension WireReader {
    mutating func ping() throws(WireError) -> Ping { Ping(sequence: try self.read(), target: try self.nodeID()) }

    mutating func pingRequest() throws(WireError) -> PingRequest {
        PingRequest(sequence: try self.read(), target: try self.nodeID(), timeout: try self.read())
    }
}

extension WireWriter {
    mutating func write(_ ping: Ping) {
        self.write(MessageKind.ping)
        self.write(ping.sequence)
        self.write(ping.target)
    }

    mutating func write(_ request: PingRequest) {
        self.write(MessageKind.pingRequest)
        self.write(request.sequence)
        self.write(request.target)
        self.write(request.timeout)
    }

    /// An ack, a nack, or a ping or pong of a stream.
    mutating func write(_ kind: MessageKind, sequence: UInt32) {
        self.write(kind)
        self.write(sequence)
    }

    /// The header already names the epoch; the counter says which packet is answered.
    mutating func write(epochAnswerTo counter: UInt64) {
        self.write(MessageKind.epochAnswer)
        self.write(counter)
    }
}
