internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

extension Daemon {
    /// Tells the mesh what this node can do and how much it has to do, when that changed.
    func keepAdvertising() async -> Occasion {
        let probe = HardwareProbe(dataFolder: self.folder.path, nvml: self.configuration.nvml)
        probe.start()
        defer { probe.stop() }
        var teller = HardwareTeller()
        var metrics = HardwareMetrics()
        var told: [Label]?
        while !Task.isCancelled {
            let now = Instant.now()
            let latest = probe.latest(at: now)
            let before = teller.failures
            if teller.take(latest, members: self.network.placeable.count, at: now) {
                self.report(teller.failures, after: before)
                metrics.record(latest, failures: teller.failures.count)
            }
            let labels = teller.labels(besides: self.configuration.capabilities + self.ownFields)
            if labels != told { self.advertise(labels) }
            told = labels
            try? await Task.sleep(for: Self.coalescing)
        }
        return .done
    }

    /// Nothing is not told: in a mass join every field of every node competes with the news of who is there.
    private var ownFields: [Label] {
        let load = self.runtime.load
        let digest = self.runtime.definitionsDigest
        return [
            load.actors == 0 ? nil : Label(AdvertisedField.actors, "\(load.actors)"),
            load.depth == 0 ? nil : Label(AdvertisedField.mailboxDepth, "\(load.depth)"),
            digest == 0 ? nil : Label(AdvertisedField.definitions, String(digest, radix: 16)),
            self.state.isGoing ? Label(AdvertisedField.leaving, "1") : nil,
            Label(KeySummary.field, KeySummary(self.network.keyring).text),
        ].compactMap { $0 }
    }

    private func advertise(_ labels: [Label]) {
        let fits = labels.prefix(CapabilityField.fieldsMax)
        self.state.withholds(
            fits.count == labels.count
                ? nil
                : "only \(fits.count) of \(labels.count) capabilities are advertised; without room is "
                    + "\(labels[fits.count].key) and what follows it in docs/capabilities.md")
        do { try self.network.advertise(Array(fits)) } catch {
            self.state.withholds("capabilities are not advertised: \(error.message)")
        }
    }

    /// Once when something can no longer be read, and once when it can again.
    private func report(_ failures: [String: String], after before: [String: String]) {
        for (what, reason) in failures.sorted(by: { $0.key < $1.key }) where before[what] != reason {
            self.logger.warning("a capability is withdrawn", metadata: ["what": "\(what)", "because": "\(reason)"])
        }
        for what in before.keys.sorted() where failures[what] == nil {
            self.logger.info("a capability can be read again", metadata: ["what": "\(what)"])
        }
        self.state.hardwareFails(failures)
    }
}
