/// A set of hosts, by index.
package struct HostSet: Hashable, Sendable {
    private var flags: [Bool]

    package init(_ members: some Sequence<Int>, of count: Int) {
        self.flags = Array(repeating: false, count: count)
        for member in members { self.flags[member] = true }
    }

    package func contains(_ host: Int) -> Bool { self.flags[host] }
    package var complement: HostSet { HostSet(self.flags.indices.filter { !self.flags[$0] }, of: self.flags.count) }
    package var members: [Int] { self.flags.indices.filter { self.flags[$0] } }
}

/// Traffic that does not pass, from one set of hosts to another. Two cuts make a symmetric partition.
package struct Cut: Sendable {
    package struct Traffic: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let datagrams = Traffic(rawValue: 1)
        package static let streams = Traffic(rawValue: 2)
        package static let all: Traffic = [.datagrams, .streams]
    }

    /// Names the fault that made the cut, so that healing it removes what belongs to it.
    package var fault: Int
    package var from: HostSet
    package var to: HostSet
    package var traffic: Traffic

    package init(fault: Int, from: HostSet, to: HostSet, traffic: Traffic = .all) {
        self.fault = fault
        self.from = from
        self.to = to
        self.traffic = traffic
    }

    package func blocks(_ traffic: Traffic, from: Int, to: Int) -> Bool {
        !self.traffic.isDisjoint(with: traffic) && self.from.contains(from) && self.to.contains(to)
    }
}
