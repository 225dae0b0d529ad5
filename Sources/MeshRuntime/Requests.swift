internal import MeshCore
internal import Synchronization

/// What came of a request.
enum Answer: Sendable {
    /// The message is durable, or was handed over if it is ephemeral.
    case accepted(MessageID)
    case outcome(MessageID, Outcome)
    /// The body of an answer to a query.
    case listing([UInt8])
    /// A member has merged the definitions it was sent.
    case acknowledged
    /// The stream to the peer broke; nothing more will come.
    case disconnected
    /// The deadline passed. A call may know by then that its message was accepted.
    case expired(accepted: Bool)
    /// This node ends before an answer came.
    case closed(accepted: Bool)
    case cancelled
    case tooMany
}

/// Requests that wait for an answer, each with a deadline.
///
/// Numbers begin at a random place with every boot, so an answer to an earlier life meets nobody.
final class Requests: Sendable {
    enum Want: Sendable { case acceptance, outcome }

    fileprivate struct Entry: Sendable {
        /// Nil for this node.
        var peer: NodeID?
        var want: Want
        var deadline: Instant
        var isAccepted = false
        var continuation: CheckedContinuation<Answer, Never>?
        /// An answer that came before anybody waited.
        var early: Answer?
    }
    fileprivate struct State: Sendable {
        var next = UInt64.random(in: 1...UInt64.max / 2)
        var entries: [UInt64: Entry] = [:]
        var deadlines = DeadlineQueue<UInt64>()
    }

    private let state = Mutex(State())
    private let limit: Int
    private let alarm: Alarm

    /// That wait for their answer.
    var count: Int { self.state.withLock { $0.entries.count } }

    init(limit: Int, alarm: Alarm) {
        self.limit = limit
        self.alarm = alarm
    }

    /// Registers a request, lets `start` send it under its number, and waits for the answer, for the deadline, or for
    /// the task to be cancelled. An error of `start` is the answer.
    func perform(
        to peer: NodeID?, want: Want = .acceptance, deadline: Instant, _ start: (UInt64) throws(MeshError) -> Void
    ) async throws(MeshError) -> Answer {
        let number = self.state.withLock { state -> UInt64? in
            guard state.entries.count < self.limit else { return nil }
            defer { state.next += 1 }
            state.entries[state.next] = Entry(peer: peer, want: want, deadline: deadline)
            state.add(deadline, of: state.next)
            return state.next
        }
        guard let number else { return .tooMany }
        self.alarm.ring(by: deadline)
        do { try start(number) } catch {
            self.state.withLock { _ = $0.entries.removeValue(forKey: number) }
            throw error
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = self.state.withLock { state -> Answer? in
                    if let early = state.entries[number]?.early {
                        state.entries[number] = nil
                        return early
                    }
                    state.entries[number]?.continuation = continuation
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            self.finish(number, with: .cancelled)
        }
    }

    /// An answer from `peer`; ignored if the request went to somebody else or is over.
    func answered(_ number: UInt64, by peer: NodeID?, _ answer: Answer) {
        let continuation = self.state.withLock { state -> CheckedContinuation<Answer, Never>? in
            guard let entry = state.entries[number], entry.peer == peer else { return nil }
            if case .accepted = answer, entry.want == .outcome {
                state.entries[number]?.isAccepted = true
                return nil
            }
            return state.finish(number, with: answer)
        }
        continuation?.resume(returning: answer)
    }

    func disconnected(_ peer: NodeID) {
        let numbers = self.state.withLock { state in state.entries.filter { $0.value.peer == peer }.map(\.key) }
        for number in numbers { self.finish(number, with: .disconnected) }
    }

    /// The node ends: nobody waits any longer.
    func close() {
        let entries = self.state.withLock { state in state.entries.map { ($0.key, $0.value.isAccepted) } }
        for (number, accepted) in entries { self.finish(number, with: .closed(accepted: accepted)) }
    }

    /// Ends what is due and says when to come again.
    func expire(at now: Instant) -> Instant? {
        var due: [(number: UInt64, accepted: Bool)] = []
        let next = self.state.withLock { state in
            while let number = state.deadlines.popDue(at: now) {
                if let entry = state.entries[number] { due.append((number, entry.isAccepted)) }
            }
            return state.deadlines.nextDue
        }
        for (number, accepted) in due { self.finish(number, with: .expired(accepted: accepted)) }
        return next
    }

    private func finish(_ number: UInt64, with answer: Answer) {
        self.state.withLock { $0.finish(number, with: answer) }?.resume(returning: answer)
    }
}

extension Requests.State {
    /// Deadlines outlive their requests, most of which are answered soon: now and then only the living are kept.
    fileprivate mutating func add(_ deadline: Instant, of number: UInt64) {
        self.deadlines.add(number, due: deadline)
        guard self.deadlines.count > 1024 + 4 * self.entries.count else { return }
        self.deadlines = DeadlineQueue()
        for (number, entry) in self.entries { self.deadlines.add(number, due: entry.deadline) }
    }

    /// Who waits for the answer, if anybody does already. The first answer counts.
    fileprivate mutating func finish(
        _ number: UInt64, with answer: Answer
    ) -> CheckedContinuation<Answer, Never>? {
        guard let entry = self.entries[number], entry.early == nil else { return nil }
        if let continuation = entry.continuation {
            self.entries[number] = nil
            return continuation
        }
        self.entries[number]?.early = answer
        return nil
    }
}
