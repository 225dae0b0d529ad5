internal import MeshCore
internal import MeshTransport
internal import Synchronization

/// Whether the parts that a node cannot live without still do their work.
///
/// Each is asked for a sign of life and answers from its own thread whenever it gets to it: asking never waits, so that
/// whoever asks cannot hang with what it watches.
final class Pulse: Sendable {
    enum Part: String, CaseIterable, Sendable {
        /// Failure detection; its sign counts only if no wake of its own is long overdue.
        case gossip
        case streams
        /// Behind every write that waits.
        case storage
    }

    private struct Beat {
        var at: Instant
        var asked: Instant?
        /// From the last question to its answer.
        var delay = Duration.zero
    }

    private let beats: Mutex<[Part: Beat]>

    init(at now: Instant = .now()) {
        self.beats = Mutex(Dictionary(uniqueKeysWithValues: Part.allCases.map { ($0, Beat(at: now)) }))
    }

    /// Asks the parts that owe no answer; `ask` must call back, now or later, from the part itself.
    func take(_ ask: (Part, _ answer: @escaping @Sendable () -> Void) -> Void) {
        for part in Part.allCases {
            let isFree = self.beats.withLock { beats in
                guard beats[part]?.asked == nil else { return false }
                beats[part]?.asked = .now()
                return true
            }
            if isFree { ask(part) { self.answered(part) } }
        }
    }

    private func answered(_ part: Part) {
        let now = Instant.now()
        self.beats.withLock { beats in
            let asked = beats[part]?.asked ?? now
            beats[part] = Beat(at: now, delay: now - asked)
        }
    }

    /// Those whose last sign of life is older than `age`.
    func silent(for age: Duration, at now: Instant = .now()) -> [Part] {
        self.beats.withLock { beats in Part.allCases.filter { beats[$0].map { now - $0.at >= age } ?? false } }
    }

    /// How long each took to answer; of one that still owes an answer, how long it has taken until now.
    var delays: [(part: Part, delay: Duration)] {
        let now = Instant.now()
        return self.beats.withLock { beats in
            Part.allCases.map { part in
                (part, max(beats[part]?.delay ?? .zero, beats[part]?.asked.map { now - $0 } ?? .zero))
            }
        }
    }
}
