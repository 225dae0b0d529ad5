import MeshCore
import MeshSimulation
import Testing

@Suite("The simulated network")
struct SimulatedNetworkTests {
    private func network(seed: UInt64 = 1) -> SimulatedNetwork {
        SimulatedNetwork(link: .lan, random: RandomSource(seed: seed))
    }

    private func arrivals(_ network: inout SimulatedNetwork, count: Int = 20_000) -> (none: Int, two: Int, late: Int) {
        var (none, two, late) = (0, 0, 0)
        for _ in 0..<count {
            let arrivals = network.arrivals(ofDatagramFrom: 0, to: 1)
            if arrivals.first == nil { none += 1 }
            if arrivals.second != nil { two += 1 }
            if let first = arrivals.first, first >= .seconds(60) { late += 1 }
        }
        return (none, two, late)
    }

    @Test("delivers everything once and in time when nothing is wrong")
    func healthy() {
        var network = self.network()
        let arrivals = self.arrivals(&network)
        #expect(arrivals == (0, 0, 0))
    }

    @Test("loses, doubles and delays the share it was told")
    func weather() {
        var network = self.network()
        network.weather.loss = .percent(10)
        network.weather.duplication = .percent(5)
        network.weather.lateness = .percent(1)
        let (none, two, late) = self.arrivals(&network)
        #expect((1_800...2_200).contains(none))
        #expect((780...1_020).contains(two))
        #expect((120...240).contains(late))
    }

    @Test("cuts one direction and leaves the other")
    func oneWay() {
        var network = self.network()
        network.apply(Cut(fault: 1, from: HostSet([0], of: 3), to: HostSet([1, 2], of: 3)))
        #expect(!network.passes(.datagrams, from: 0, to: 1))
        #expect(!network.passes(.streams, from: 0, to: 2))
        #expect(network.passes(.datagrams, from: 1, to: 0))
        #expect(network.passes(.datagrams, from: 1, to: 2))
        let arrivals = network.arrivals(ofDatagramFrom: 0, to: 1)
        #expect(arrivals.first == nil)
    }

    @Test("blocks UDP alone when told so, and heals by the number of the fault")
    func datagramsOnly() {
        var network = self.network()
        network.apply(Cut(fault: 7, from: HostSet([0], of: 2), to: HostSet([1], of: 2), traffic: .datagrams))
        #expect(!network.passes(.datagrams, from: 0, to: 1))
        #expect(network.passes(.streams, from: 0, to: 1))
        network.heal(fault: 6)
        #expect(network.isCut)
        network.heal(fault: 7)
        #expect(!network.isCut)
        #expect(network.passes(.datagrams, from: 0, to: 1))
    }

    @Test("draws the same fates from the same seed")
    func seeded() {
        var (one, other) = (self.network(seed: 9), self.network(seed: 9))
        for _ in 0..<500 {
            let (here, there) = (one.arrivals(ofDatagramFrom: 1, to: 2), other.arrivals(ofDatagramFrom: 1, to: 2))
            #expect(here.first == there.first)
        }
    }
}
