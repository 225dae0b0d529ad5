/// What was acknowledged is processed, once, in the order of its sender; what was refused is not.
struct DeliveryCheck {
    struct Violation: Hashable {
        var reason: String
        var lines: [Int]
    }

    let object: String
    let sendings: [History.Sending]
    let processings: [History.Processing]
    let delivery: History.Delivery

    func violations() -> [Violation] {
        var sent: [History.MessageName: History.Sending] = [:]
        var found: [Violation] = []
        for sending in self.sendings {
            guard let other = sent.updateValue(sending, forKey: sending.message) else { continue }
            found.append(self.violation("sent twice under one name", sending.message, [other.line, sending.line]))
        }
        var processed: [History.MessageName: [Int]] = [:]
        for processing in self.processings { processed[processing.message, default: []].append(processing.line) }
        for sending in self.sendings {
            let lines = processed[sending.message] ?? []
            switch sending.outcome {
            case .ok where lines.isEmpty:
                found.append(self.violation("acknowledged and never processed", sending.message, [sending.line]))
            case .failed where !lines.isEmpty:
                found.append(
                    self.violation("refused and processed all the same", sending.message, [sending.line] + lines))
            default: break
            }
            if self.delivery == .exactlyOnce, lines.count > 1 {
                found.append(self.violation("processed \(lines.count) times", sending.message, [sending.line] + lines))
            }
        }
        for (message, lines) in processed where sent[message] == nil {
            found.append(self.violation("processed and never sent", message, lines))
        }
        return (found + self.disorder(sent)).sorted {
            ($0.lines.first ?? 0, $0.reason) < ($1.lines.first ?? 0, $1.reason)
        }
    }

    /// Of the acknowledged messages of one sender, by where they were processed first. One whose outcome its sender does
    /// not know may come late.
    private func disorder(_ sent: [History.MessageName: History.Sending]) -> [Violation] {
        var last: [String: History.Processing] = [:]
        var seen: Set<History.MessageName> = []
        var found: [Violation] = []
        for processing in self.processings
        where sent[processing.message]?.outcome == .ok && seen.insert(processing.message).inserted {
            if let before = last[processing.message.client], before.message.number > processing.message.number {
                found.append(
                    self.violation(
                        "processed after number \(before.message.number) of the same sender", processing.message,
                        [before.line, processing.line]))
            } else {
                last[processing.message.client] = processing
            }
        }
        return found
    }

    private func violation(_ reason: String, _ message: History.MessageName, _ lines: [Int]) -> Violation {
        Violation(reason: "number \(message.number) of \(message.client) was \(reason)", lines: lines)
    }
}

/// Between two partitions every number arrives, once, in order.
struct OutboxCheck {
    let arrivals: [History.Arrival]

    func violation() -> DeliveryCheck.Violation? {
        for (before, after) in zip(self.arrivals, self.arrivals.dropFirst()) {
            guard before.number < .max, after.number == before.number + 1 else {
                return .init(
                    reason: "number \(after.number) follows \(before.number)", lines: [before.line, after.line])
            }
        }
        return nil
    }
}
