import MeshCore
import Testing

@Suite("Suspicion")
struct SuspicionTests {
    private let start = Instant(nanoseconds: 0)
    private func node(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }

    @Test(
        "the logarithm is exact at powers of ten to one part in a thousand",
        arguments: [(1, 0), (10, 1), (100, 2), (1000, 3), (10_000, 4)])
    func logarithm(value: Int, expected: Int) {
        let difference = Int64(log10Fixed(value)) - Int64(expected << 16)
        #expect(abs(difference) <= 65)
    }

    @Test("digits of the audience", arguments: [(1, 1), (9, 1), (10, 2), (99, 2), (100, 3), (5000, 4)])
    func digits(value: Int, expected: Int) { #expect(decimalDigits(value) == expected) }

    @Test("an unconfirmed suspicion lasts the maximum, a fully confirmed one the minimum")
    func confirmations() {
        var suspicion = Suspicion(by: self.node(1), members: 10, configuration: .lan, at: self.start)
        #expect(suspicion.deadline - self.start == .seconds(24))
        #expect(suspicion.confirm(by: self.node(2)) == true)
        // max - (max - min) * ln 2 / ln 3 = 24 - 20 * 0.6309
        let once = suspicion.deadline - self.start
        #expect(once > .milliseconds(11_370) && once < .milliseconds(11_400))
        #expect(suspicion.confirm(by: self.node(3)) == true)
        #expect(suspicion.deadline - self.start == .seconds(4))
    }

    @Test("an accuser counts once, and confirmations beyond K count for nothing")
    func independence() {
        var suspicion = Suspicion(by: self.node(1), members: 10, configuration: .lan, at: self.start)
        #expect(suspicion.confirm(by: self.node(1)) == false)
        #expect(suspicion.confirm(by: self.node(2)) == true)
        #expect(suspicion.confirm(by: self.node(2)) == false)
        #expect(suspicion.confirm(by: self.node(3)) == true)
        #expect(suspicion.confirm(by: self.node(4)) == false)
        #expect(suspicion.confirmations == [self.node(2), self.node(3)])
    }

    @Test("a mesh too small to confirm goes by the minimum", arguments: [2, 3])
    func smallMesh(members: Int) {
        let suspicion = Suspicion(by: self.node(1), members: members, configuration: .lan, at: self.start)
        #expect(suspicion.deadline - self.start == .seconds(4))
    }

    @Test("the minimum grows with the logarithm of the mesh")
    func scale() {
        var suspicion = Suspicion(by: self.node(1), members: 1000, configuration: .lan, at: self.start)
        _ = suspicion.confirm(by: self.node(2))
        _ = suspicion.confirm(by: self.node(3))
        let patience = suspicion.deadline - self.start
        #expect(patience > .milliseconds(11_980) && patience < .milliseconds(12_020))
    }

    @Test("without Lifeguard the patience is fixed")
    func plain() {
        var configuration = Membership.Configuration.lan
        configuration.lifeguard = false
        var suspicion = Suspicion(by: self.node(1), members: 10, configuration: configuration, at: self.start)
        #expect(suspicion.deadline - self.start == .seconds(4))
        #expect(suspicion.confirm(by: self.node(2)) == false)
    }
}
