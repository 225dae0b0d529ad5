internal import MeshCore
internal import Metrics

/// What the runtime counts; made once, for making a metric takes a lock.
struct RuntimeMetrics: Sendable {
    let accepted = Counter(label: "meshnode_messages_accepted_total")
    let processed = Counter(label: "meshnode_messages_processed_total")
    /// Consumed, and the handler's answer was an error.
    let failed = Counter(label: "meshnode_messages_failed_total")
    let redelivered = Counter(label: "meshnode_messages_redelivered_total")
    /// Consumed without a turn, because their deadline had passed.
    let expired = Counter(label: "meshnode_messages_expired_total")
    let deadLetters = Counter(label: "meshnode_messages_dead_lettered_total")
    /// Old ones that gave way to younger.
    let deadLettersDropped = Counter(label: "meshnode_dead_letters_dropped_total")
    let malformed = Counter(label: "meshnode_frames_malformed_total")
    let turn = Timer(label: "meshnode_turn_seconds")
    private let refusedByCode: [MeshError.Code: Counter]

    init() {
        self.refusedByCode = Dictionary(
            uniqueKeysWithValues: MeshError.Code.allCases.map {
                ($0, Counter(label: "meshnode_messages_refused_total", dimensions: [("code", $0.rawValue)]))
            })
    }

    func refused(_ code: MeshError.Code, by count: Int64 = 1) { self.refusedByCode[code]?.increment(by: count) }
}
