package import MeshCore

/// Actors that every node has, at `/meshnode/{kind}/{key}`: for trying the mesh out, and for checking it, since of a
/// counter, a register and a queue it is known what they may answer (docs/simulation.md).
package enum BuiltIn: String, Hashable, Sendable, CaseIterable {
    case echo, counter, register, queue

    package init?(_ path: ActorPath) {
        let segments = path.segments
        guard segments.count == 3 else { return nil }
        self.init(rawValue: String(segments[1]))
    }

    var name: String { "meshnode/\(self.rawValue)" }

    /// All of them, for whoever asked for another.
    static var known: String { self.allCases.map { "/\($0.name)/{key}" }.joined(separator: ", ") }

    /// Whether the turn of a call changes nothing whatever the actor remembers, so that it needs no place in the log.
    package func onlyReads(_ letter: Letter) -> Bool {
        guard letter.envelope.kind == .ask, letter.envelope.message.idempotency == nil else { return false }
        switch self {
        case .echo: return true
        case .counter, .register:
            return Command(letter.envelope.message.body).map { $0.verb == "read" && $0.isTrue } ?? false
        case .queue: return false
        }
    }

    /// One turn: a function of the message and of what the actor remembers, of no clock and no chance, so it can run
    /// wherever turns run. One that throws is answered by the error; what it did to `state` is to be forgotten.
    package func turn(_ body: [UInt8], state: inout ActorState) throws(MeshError) -> [UInt8] {
        switch self {
        case .echo: body
        case .counter: try counterTurn(body, &state)
        case .register: try registerTurn(body, &state)
        case .queue: try queueTurn(body, &state)
        }
    }
}
