internal import FoundationEssentials
internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshStorage
internal import MeshTransport

// What the node does for whoever looks after it: the service manager, and the operator whose disk runs full.

extension Daemon {
    private static let diskInterval = Duration.seconds(1)
    /// How often the manager hears how it goes, if it does not want to hear from the watchdog more often.
    private static let reportInterval = Duration.seconds(5)
    /// A start that waits for a seed may take as long as it takes, but not without a word.
    private static let extensionMicroseconds = 30_000_000

    /// While little room is left no message is taken.
    func watchDisk() async -> Occasion {
        while !Task.isCancelled {
            if self.disk.look() {
                let refusal = self.disk.refusal
                self.runtime.refuseMessages(because: refusal)
                let free = self.disk.room?.free.megabytes ?? "?"
                if refusal == nil {
                    self.logger.notice(
                        "there is room on the disk again: messages are taken", metadata: ["free": "\(free)"])
                } else {
                    self.logger.error(
                        "the disk is nearly full: no more messages are taken",
                        metadata: ["free": "\(free)", "folder": "\(self.folder.path)", "mend": "make room"])
                }
            }
            try? await Task.sleep(for: Self.diskInterval)
        }
        return .done
    }

    /// Tells the state, asks for more time while no seed answers, and feeds the watchdog: not because this task runs, but
    /// because the parts that the node cannot live without have answered.
    func keepInformed(_ manager: ServiceManager) async -> Occasion {
        let patience = manager.watchdog
        let interval = min(Self.reportInterval, patience.map { $0 / 4 } ?? Self.reportInterval)
        var told = ""
        while !Task.isCancelled {
            self.pulse.take(self.askForSign)
            let silent = patience.map { self.pulse.silent(for: $0 / 2) } ?? []
            if silent.isEmpty {
                if patience != nil { manager.tell("WATCHDOG=1") }
            } else {
                self.logger.critical(
                    "a part of the node does not answer; the service manager is left to end it",
                    metadata: ["parts": "\(silent.map(\.rawValue).joined(separator: ","))"])
            }
            if self.state.phase == .joining {
                manager.tell("EXTEND_TIMEOUT_USEC=\(Self.extensionMicroseconds)")
            }
            let report = self.report
            if report != told, self.state.phase != .leaving { manager.tell("STATUS=\(report)") }
            told = report
            try? await Task.sleep(for: interval)
        }
        return .done
    }

    @Sendable func askForSign(of part: Pulse.Part, _ answer: @escaping @Sendable () -> Void) {
        switch part {
        case .gossip: self.network.signOfGossip(answer)
        case .streams: self.network.signOfStreams(answer)
        case .storage: self.storage.commit(StorageBatch(), done: answer)
        }
    }

    private var report: String {
        switch self.state.phase {
        case .joining: return "joining: no seed has answered yet"
        case .leaving: return "leaving the mesh"
        case .ready:
            let others = self.network.placeable.count - 1
            let warnings = self.disk.warning.map { "; " + $0 } ?? ""
            return "ready, with \(others) other member\(others == 1 ? "" : "s")\(warnings)"
        }
    }
}
