package import MeshCore

/// What is really so, against which the checks hold what the nodes believe.
package struct Truth: Sendable {
    /// The last life of a node.
    package struct Life: Sendable {
        package var host: Int
        package var boot: Boot
        /// The number of the process on its host.
        package var process: UInt32
        package var since: VirtualTime
        package var isRunning = true
        package var isPaused = false
    }

    package private(set) var lives: [NodeID: Life] = [:]
    /// The running nodes by host.
    package private(set) var running: [NodeID?]
    /// Hosts that a fault aims at in this run.
    package let impaired: Set<Int>
    /// Nothing but ordinary life happens in this run.
    package let isHealthyRun: Bool
    /// Raised by whatever may keep nodes from agreeing for a while.
    package private(set) var disturbances = 0

    init(hosts: Int, impaired: Set<Int>, isHealthyRun: Bool) {
        self.running = Array(repeating: nil, count: hosts)
        self.impaired = impaired
        self.isHealthyRun = isHealthyRun
    }

    package var runningHosts: [Int] { self.running.indices.filter { self.running[$0] != nil } }

    package func isRunning(_ id: NodeID, boot epoch: UInt64) -> Bool {
        guard let life = self.lives[id] else { return false }
        return life.isRunning && life.boot.epoch == epoch
    }

    mutating func started(_ id: NodeID, boot: Boot, process: UInt32, on host: Int, at now: VirtualTime) {
        self.lives[id] = Life(host: host, boot: boot, process: process, since: now)
        self.running[host] = id
        self.disturbances += 1
    }

    mutating func stopped(_ host: Int) {
        if let id = self.running[host] { self.lives[id]?.isRunning = false }
        self.running[host] = nil
        self.disturbances += 1
    }

    mutating func paused(_ host: Int, _ isPaused: Bool) {
        if let id = self.running[host] { self.lives[id]?.isPaused = isPaused }
        self.disturbances += 1
    }

    mutating func disturbed() { self.disturbances += 1 }
}
