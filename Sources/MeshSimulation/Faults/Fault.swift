/// Something that happens to a host or to the network at a set time, whatever the nodes do.
///
/// Times and hosts are drawn before the run begins, so a change in the nodes does not change what befalls them.
package struct Fault: Sendable {
    package enum Action: Sendable {
        case weather(SimulatedNetwork.Weather)
        case cut([Cut])
        /// Removes what the cut of that number blocked.
        case heal(Int)
        case pause(Int, for: Duration)
        /// Pauses and slices of work in turn, until then.
        case starve(Int, pause: Duration, work: Duration, until: VirtualTime)
        case kill(Int)
        case powerOff(Int)
        case start(Int)
        /// As `start`, after the disk was emptied.
        case startWiped(Int)
        case leave(Int)
        case raiseEvent(Int)
        case retag(Int)
        case advertise(Int)
        /// From here on nothing is wrong any more and every host that should run runs.
        case healAll
    }

    package var at: VirtualTime
    package var action: Action
}

extension Fault: CustomStringConvertible {
    package var description: String {
        switch self.action {
        case .weather(let weather):
            "weather: loss \(weather.loss.partsPerMillion) ppm, duplicates \(weather.duplication.partsPerMillion) ppm, "
                + "late \(weather.lateness.partsPerMillion) ppm, jitter \(weather.extraJitter.inSeconds)"
        case .cut(let cuts):
            "cut: "
                + cuts.map { "\($0.from.members) -/-> \($0.to.members)\($0.traffic == .datagrams ? " (UDP)" : "")" }
                .joined(separator: ", ")
        case .heal(let fault): "heal cut \(fault)"
        case .pause(let host, let duration): "pause \(host) for \(duration.inSeconds)"
        case .starve(let host, let pause, let work, let until):
            "starve \(host): pause \(pause.inSeconds), work \(work.inSeconds), until \(until)"
        case .kill(let host): "kill \(host)"
        case .powerOff(let host): "power off \(host)"
        case .start(let host): "start \(host)"
        case .startWiped(let host): "start \(host) with an empty disk"
        case .leave(let host): "\(host) leaves"
        case .raiseEvent(let host): "\(host) raises an event"
        case .retag(let host): "\(host) changes its tags"
        case .advertise(let host): "\(host) changes its capabilities"
        case .healAll: "all faults healed"
        }
    }
}
