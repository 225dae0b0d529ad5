internal import MeshCore

/// Every invariant, each a type of its own, and the first one that broke.
package struct Checks: Sendable {
    package private(set) var violation: Violation?
    package private(set) var falsePositives = FalsePositives()
    package internal(set) var detection: DetectionBound
    package private(set) var news: EventDelivery
    private var order = RecordOrder()
    private var evidence = HardEvidenceIsTrue()
    private var wellFormed: WellFormed
    private var progress = Progress()

    init(scenario: Scenario) {
        self.detection = DetectionBound(scenario: scenario)
        self.news = EventDelivery(pushPullInterval: scenario.configuration.pushPullInterval)
        self.wellFormed = WellFormed(datagramBytesMax: scenario.configuration.datagramBytesMax)
    }

    /// Keeps the first: what breaks later is often only its consequence.
    mutating func report(_ violation: Violation?) {
        if self.violation == nil { self.violation = violation }
    }

    mutating func changed(_ change: MemberChange, on host: Int, truth: borrowing Truth, at now: VirtualTime) {
        let falseDeath = self.falsePositives.changed(change, on: host, truth: truth, at: now)
        self.report(falseDeath)
        self.report(self.evidence.changed(change, on: host, truth: truth, at: now))
        self.report(self.order.changed(change, on: host, at: now))
        self.report(self.detection.changed(change, on: host, truth: truth, at: now))
    }

    mutating func heard(_ event: UserEvent, on process: ProcessID, at now: VirtualTime) {
        self.report(self.news.heard(event, on: process, at: now))
    }

    mutating func sent(datagramOf bytes: Int, by host: Int, at now: VirtualTime) {
        self.report(self.wellFormed.sent(datagramOf: bytes, by: host, at: now))
    }

    mutating func refused(_ reason: Membership.RefusalReason, by host: Int, at now: VirtualTime) {
        self.report(self.wellFormed.refused(reason, by: host, at: now))
    }

    mutating func woke(_ host: Int, at now: VirtualTime) { self.report(self.progress.woke(host, at: now)) }

    mutating func started(_ id: NodeID, on host: Int) {
        self.order.forget(observer: host)
        self.detection.restarted(id)
    }

    mutating func stopped(_ host: Int, at now: VirtualTime) {
        self.order.forget(observer: host)
        self.report(self.detection.witnessGone(host, at: now))
    }

    mutating func finish(at now: VirtualTime, truth: borrowing Truth) {
        self.report(self.detection.finish(at: now, truth: truth))
        self.report(self.news.finish(at: now, truth: truth))
    }
}
