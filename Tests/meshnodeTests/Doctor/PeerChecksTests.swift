import MeshCore
import MeshRuntime
import MeshTransport
import Testing

@testable import meshnode

@Suite("What doctor makes of the ways to others")
struct PeerChecksTests {
    private static let all: DatagramSizes = [.small, .full]

    private func peer(
        _ name: String, here: DatagramSizes = all, there: DatagramSizes? = all, ahead: Duration = .zero,
        roundTrip: Duration? = .milliseconds(1), dial: DialOutcome? = .reached, version: String = "1"
    ) -> PeerChecks.Peer {
        var report = PathReport()
        report.roundTrip = roundTrip
        report.clockAhead = ahead
        report.arrivedHere = here
        report.arrivedThere = there
        report.dial = dial.map { PathReport.Dial(outcome: $0, endpoint: Endpoint(ipv4: 0x0A00_0001, port: 7946)) }
        return PeerChecks.Peer(
            name: name, endpoint: Endpoint(ipv4: 0x0A00_0002, port: 7947), version: version, report: report)
    }

    private func bad(_ peers: PeerChecks.Peer...) -> [Finding] {
        PeerChecks(own: ("alpha", Endpoint(ipv4: 0x0A00_0001, port: 7946), "1"), peers: peers).findings()
            .filter { $0.severity != .fine }
    }

    @Test("where everything passes nothing is wrong, and a node alone has nobody to ask")
    func fine() {
        #expect(self.bad(self.peer("beta"), self.peer("gamma")).isEmpty)
        #expect(self.bad().isEmpty)
    }

    @Test("each direction of blocked UDP names the side whose port must be opened")
    func directions() throws {
        let both = try #require(self.bad(self.peer("beta", here: [], there: [])).first)
        #expect(both.check == "udp" && both.what.contains("both ways"))
        #expect(both.mend.contains("7947 on beta") && both.mend.contains("7946 on alpha"))
        let out = try #require(self.bad(self.peer("beta", there: [])).first)
        #expect(out.what.contains("from here does not reach it") && out.mend.contains("7947 on beta"))
        let back = try #require(self.bad(self.peer("beta", here: [])).first)
        #expect(back.what.contains("does not reach this node") && back.mend.contains("7946 on alpha"))
    }

    @Test("a path is narrow only where small packets pass", arguments: [true, false])
    func narrow(isOutward: Bool) {
        let found = self.bad(
            self.peer("beta", here: isOutward ? Self.all : .small, there: isOutward ? .small : Self.all))
        #expect(found.map(\.check) == ["mtu"])
        #expect(self.bad(self.peer("beta", here: [], there: [])).map(\.check) == ["udp"])
    }

    @Test("who does not answer is one problem and not six")
    func silent() {
        let found = self.bad(self.peer("beta", here: [], there: nil, roundTrip: nil, dial: nil))
        #expect(found.map(\.check) == ["members"])
    }

    @Test("a clock that differs from most others is this node's own")
    func clocks() {
        let own = self.bad(self.peer("beta", ahead: .seconds(3)), self.peer("gamma", ahead: .seconds(4)))
        #expect(own.map(\.place) == ["alpha"] && own[0].what.contains("behind"))
        #expect(own[0].severity == .warning)
        let other = self.bad(self.peer("beta"), self.peer("gamma"), self.peer("delta", ahead: .seconds(-60)))
        #expect(other.count == 1 && other[0].place.hasPrefix("delta") && other[0].what.contains("behind this one"))
        #expect(other[0].severity == .problem)
    }

    @Test("a door that is shut, and another version")
    func doors() {
        let found = self.bad(self.peer("beta", dial: .unreachable), self.peer("gamma", dial: .refused, version: "2"))
        #expect(found.map(\.check) == ["ports", "ports", "versions"])
    }
}
