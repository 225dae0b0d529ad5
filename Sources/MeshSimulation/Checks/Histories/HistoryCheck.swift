/// What is wrong with a history.
package struct HistoryReport: Sendable {
    package enum Verdict: Hashable, Sendable { case ok, violated, gaveUp }

    package struct Finding: Hashable, Sendable {
        package var check: String
        package var object: String
        package var reason: String
        /// Of the history, those that show it.
        package var lines: [Int]
    }

    package var findings: [Finding] = []
    /// Objects for which the question stayed open, and why.
    package var undecided: [Finding] = []
    package var operations = 0
    package var objects = 0

    package var verdict: Verdict {
        if !self.findings.isEmpty { return .violated }
        return self.undecided.isEmpty ? .ok : .gaveUp
    }
}

extension History {
    /// About a second of work each in the worst case.
    package static let stepsDefault = 1_000_000
    /// Of one check and object; more say nothing more.
    private static let findingsMax = 8

    /// All checks. `steps` is for one object.
    package func check(steps: Int = Self.stepsDefault) -> HistoryReport {
        var report = HistoryReport()
        report.operations = self.operationCount
        report.objects =
            self.registers.count + self.queues.count + self.counters.count
            + Set(self.sendings.keys).union(self.processings.keys).count + self.outboxes.count
        for (object, operations) in self.registers.sorted(by: { $0.key < $1.key }) {
            report.add(linearizability(of: operations, RegisterModel.self, steps), object)
        }
        for (object, operations) in self.queues.sorted(by: { $0.key < $1.key }) {
            report.add(linearizability(of: operations, QueueModel.self, steps), object)
        }
        for (object, additions) in self.counters.sorted(by: { $0.key < $1.key }) {
            guard let (line, reason) = CounterBounds(additions: additions).violation() else { continue }
            report.findings.append(.init(check: "counter", object: object, reason: reason, lines: [line]))
        }
        self.checkDelivery(&report)
        return report
    }

    private func checkDelivery(_ report: inout HistoryReport) {
        for object in Set(self.sendings.keys).union(self.processings.keys).sorted() {
            let check = DeliveryCheck(
                object: object, sendings: self.sendings[object] ?? [], processings: self.processings[object] ?? [],
                delivery: self.delivery)
            for violation in check.violations().prefix(Self.findingsMax) {
                report.findings.append(
                    .init(check: "delivery", object: object, reason: violation.reason, lines: violation.lines))
            }
        }
        for (outbox, arrivals) in self.outboxes.sorted(by: {
            ($0.key.source, $0.key.destination) < ($1.key.source, $1.key.destination)
        }) {
            guard let violation = OutboxCheck(arrivals: arrivals).violation() else { continue }
            report.findings.append(
                .init(
                    check: "outbox", object: "\(outbox.source) to \(outbox.destination)", reason: violation.reason,
                    lines: violation.lines))
        }
    }

    private func linearizability<Model: SequentialModel>(
        of operations: [TimedOperation<Model.Operation>], _ model: Model.Type, _ steps: Int
    ) -> LinearizabilityVerdict {
        var steps = steps
        return MeshSimulation.linearizability(of: operations, model: model, steps: &steps)
    }
}

extension HistoryReport {
    fileprivate mutating func add(_ verdict: LinearizabilityVerdict, _ object: String) {
        switch verdict {
        case .ok: break
        case .violated(let lines):
            self.findings.append(
                .init(
                    check: "linearizability", object: object,
                    reason: "no order of these \(lines.count) operations explains their answers", lines: lines))
        case .gaveUp(let reason):
            self.undecided.append(.init(check: "linearizability", object: object, reason: reason, lines: []))
        }
    }
}
