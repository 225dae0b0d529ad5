internal import MeshCore

/// What the clients of a run saw, and what the actors wrote down, for the checks of histories.
struct ClusterHistory: Sendable {
    private(set) var history = History()
    private var lines = 0

    /// Of an operation whose end is known, or never will be.
    mutating func record(
        _ operation: ClusterOperation, _ end: ClusterOperation.End, by client: Int, at now: VirtualTime
    ) -> String? {
        self.lines += 1
        self.history.operationCount += 1
        let call = Int64(operation.begun.nanoseconds)
        let answered = Int64(now.nanoseconds)
        switch (operation.wish, end) {
        case (.session, _): break
        case (.register(let index, let wish), let end):
            return self.record(wish, end, register: index, call: call, answered: answered)
        case (.queue(let index, let wish), let end):
            return self.record(wish, end, queue: index, call: call, answered: answered)
        case (.add(let index, let addend), let end):
            var addition = History.Addition(
                addend: addend, sum: nil, call: call, end: nil, outcome: .unknown, line: self.lines)
            switch end {
            case .done(let body):
                guard let answer = BuiltInAnswer(body) else { return self.unreadable(body) }
                (addition.sum, addition.end, addition.outcome) = (answer.value, answered, .ok)
            case .failed: (addition.end, addition.outcome) = (answered, .failed)
            case .unknown: break
            }
            self.history.counters["counter \(index)", default: []].append(addition)
        case (.send(let stop), let end):
            let outcome: History.Outcome =
                switch end {
                case .done: .ok
                case .failed: .failed
                case .unknown: .unknown
                }
            self.send(stop, to: ChainActor(index: Int(stop.origin)), outcome)
        }
        return nil
    }

    private mutating func record(
        _ wish: RegisterModel.Operation, _ end: ClusterOperation.End, register: Int, call: Int64, answered: Int64
    ) -> String? {
        var timed = TimedOperation(wish, call: call, end: nil, line: self.lines)
        switch (wish, end) {
        case (_, .failed), (.read, .unknown): return nil
        case (_, .unknown): break
        case (let wish, .done(let body)):
            guard let answer = BuiltInAnswer(body) else { return self.unreadable(body) }
            let value = ValueID(answer.value)
            timed.end = answered
            switch wish {
            case .read: timed.operation = .read(value)
            case .write(let written, _): timed.operation = .write(written, answer: value)
            case .cas(let old, let new, _):
                timed.operation = .cas(old: old, new: new, answer: .init(value: value, swapped: answer.swapped))
            }
        }
        self.history.registers["register \(register)", default: []].append(timed)
        return nil
    }

    private mutating func record(
        _ wish: QueueModel.Operation, _ end: ClusterOperation.End, queue: Int, call: Int64, answered: Int64
    ) -> String? {
        var timed = TimedOperation(wish, call: call, end: nil, line: self.lines)
        switch (wish, end) {
        case (_, .failed): return nil
        case (_, .unknown): break
        case (let wish, .done(let body)):
            guard let answer = BuiltInAnswer(body) else { return self.unreadable(body) }
            timed.end = answered
            switch wish {
            case .push(let pushed, _): timed.operation = .push(pushed, answer: ValueID(answer.value))
            case .pop, .popNothing: timed.operation = answer.isNull ? .popNothing : .pop(ValueID(answer.value))
            }
        }
        self.history.queues["queue \(queue)", default: []].append(timed)
        return nil
    }

    private func unreadable(_ body: [UInt8]) -> String { "answered \(String(decoding: body, as: UTF8.self))" }

    private mutating func send(_ stop: ChainActor.Stop, to actor: ChainActor, _ outcome: History.Outcome) {
        self.history.sendings[actor.path.description, default: []].append(
            .init(message: stop.name, outcome: outcome, line: self.lines))
    }

    // MARK: The end

    /// What an actor wrote down, in order. Whatever it processed it has sent on.
    mutating func processed(_ stops: [ChainActor.Stop], by actor: ChainActor) {
        for stop in stops {
            self.lines += 1
            self.history.processings[actor.path.description, default: []].append(
                .init(message: stop.name, line: self.lines))
            if stop.hop < stop.hops {
                var onward = stop
                onward.hop += 1
                self.send(onward, to: actor.next(after: stop), .ok)
            } else if stop.detour == .timer, !stop.isTimer {
                var later = stop
                later.isTimer = true
                self.send(later, to: actor, .ok)
            }
        }
    }

    /// A message that was given up was not processed, and nobody expects it to be.
    mutating func gaveUp(_ stop: ChainActor.Stop, at actor: ActorPath) {
        guard let sendings = self.history.sendings[actor.description] else { return }
        self.history.sendings[actor.description] = sendings.map { sending in
            var sending = sending
            if sending.message == stop.name { sending.outcome = .unknown }
            return sending
        }
    }

    func check() -> (violation: String?, undecided: Int) {
        let report = self.history.check(steps: 200_000)
        let text = report.findings.first.map { "\($0.check) of \($0.object): \($0.reason)" }
        return (text, report.undecided.count)
    }
}

extension ChainActor.Stop {
    /// Whoever has to wait may be overtaken, so that it is in an order of its own.
    fileprivate var name: History.MessageName {
        let isAlone = self.isTimer || (self.detour == .delayed && self.hop > 0)
        return History.MessageName(client: isAlone ? "\(self.sender) \(self.number)" : self.sender, number: self.number)
    }
}
