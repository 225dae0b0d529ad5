extension PartitionLead: CustomStringConvertible {
    /// For people who look for what is wrong: what it waits for, and each actor that has something to wait for.
    package var description: String {
        guard self.isLeading else { return "leads nobody" }
        var text = "\(self.phase), term \(self.term), \(self.proposals.count) entries in flight"
        text += ", \(self.gathered.count) commands gathered, \(self.inlineRunning) turns inline"
        text += ", \(self.hostedRunning) hosted, \(self.activationCount) activations, \(self.readings.count) reads"
        text += ", ready \(self.ring.count), without place \(self.placeless.count), without host \(self.hostless.count)"
        if let confirming { text += ", confirming \(confirming) for \(self.awaitingRound.count)" }
        for path in self.slots.keys.sorted() { text += "; \(path): \(self.slots[path].map { "\($0)" } ?? "")" }
        for destination in self.flows.keys.sorted() {
            text += "; to \(destination): \(self.flows[destination].map { "\($0)" } ?? "")"
        }
        for sender in self.senders.keys.sorted() { text += "; \(sender) held back" }
        return text
    }
}

extension LeadSlot: CustomStringConvertible {
    var description: String {
        var text =
            switch self.phase {
            case .dormant: "dormant"
            case .placing(let id, _): "placing \(id)"
            case .loading(let number, let id, let host): "loading (\(number)) \(id) for \(host.node.short)"
            case .granting(let activation): "granting \(activation)"
            case .live(let activation): "live \(activation)"
            }
        text += ", \(self.tail), \(self.arrivals.count) arrivals, \(self.reads.count) reads"
        text += ", \(self.unapplied) unapplied"
        if self.enqueuing > 0 { text += ", \(self.enqueuing) enqueuing" }
        if let pausedUntil { text += ", paused until \(pausedUntil)" }
        if let obstacle { text += ", obstacle: \(obstacle)" }
        return text
    }
}

extension Activation: CustomStringConvertible {
    var description: String {
        let running = self.running.map { ", running until \($0.until)" } ?? ""
        return "on \(self.host.node.short), \(self.standing), \(self.orders) orders, \(self.turns) turns\(running)"
    }
}

extension MailboxTail: CustomStringConvertible {
    var description: String {
        let reading = self.reading.map { ", reading (\($0.id)) from \($0.first)" } ?? ""
        return "\(self.count) bodies, taken \(self.taken.sorted())\(reading)"
    }
}

extension OutboxFlow: CustomStringConvertible {
    var description: String {
        var text = "delivered \(self.delivered), \(self.letters.count) letters"
        if let reading { text += ", reading (\(reading))" }
        if let inFlight { text += ", in flight through \(inFlight.through) until \(inFlight.until)" }
        if let pausedUntil { text += ", paused until \(pausedUntil)" }
        if self.isAcknowledging { text += ", acknowledging" }
        if let asksAt { text += ", asks at \(asksAt) for \(self.full.keys.sorted())" }
        return text
    }
}
