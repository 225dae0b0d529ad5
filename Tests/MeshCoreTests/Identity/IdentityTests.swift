import MeshCore
import Testing

@Suite("Identity")
struct IdentityTests {
    @Test("a node id is 32 hexadecimal digits, there and back")
    func nodeIDText() {
        let id = NodeID(high: 0x0123_4567_89ab_cdef, low: 7)
        #expect(id.description == "0123456789abcdef0000000000000007")
        #expect(NodeID(id.description) == id)
        #expect(id.short == "01234567")
    }

    @Test(
        "anything else is no node id",
        arguments: [
            "", "0", "+123456789abcdef0000000000000007", "0123456789abcdef000000000000000g",
            "0123456789abcdef00000000000000070",
        ])
    func notANodeID(text: String) { #expect(NodeID(text) == nil) }

    @Test(
        "an endpoint prints as RFC 5952 wants it",
        arguments: [
            (Endpoint(ipv4: 0x7f00_0001, port: 7946), "127.0.0.1:7946"),
            (Endpoint(high: 0x2001_0db8_0000_0000, low: 1, port: 80), "[2001:db8::1]:80"),
            (Endpoint(high: 0, low: 0, port: 1), "[::]:1"),
            (Endpoint(high: 0x0001_0000_0000_0001, low: 0x0000_0001_0001_0000, port: 2), "[1::1:0:1:1:0]:2"),
            (Endpoint(high: 0x0001_0002_0003_0004, low: 0x0005_0006_0007_0008, port: 2), "[1:2:3:4:5:6:7:8]:2"),
        ])
    func endpointText(endpoint: Endpoint, text: String) { #expect(endpoint.description == text) }

    @Test("unspecified addresses are known in both families")
    func unspecified() {
        #expect(Endpoint(ipv4: 0, port: 1).isUnspecified)
        #expect(Endpoint(high: 0, low: 0, port: 1).isUnspecified)
        #expect(!Endpoint(ipv4: 0x7f00_0001, port: 0).isUnspecified)
    }

    @Test(
        "one host can be reached there",
        arguments: [
            Endpoint(ipv4: 0x0100_0000, port: 1), Endpoint(ipv4: 0x7F00_0001, port: 7946),
            Endpoint(ipv4: 0xDFFF_FFFF, port: 65_535), Endpoint(high: 0, low: 1, port: 1),
            Endpoint(high: 0x2001_0DB8_0000_0000, low: 1, port: 1),
            Endpoint(high: 0xFE80_0000_0000_0000, low: 1, port: 1),
            Endpoint(high: 0xFEFF_FFFF_FFFF_FFFF, low: .max, port: 1),
        ])
    func unicast(endpoint: Endpoint) { #expect(endpoint.isUnicast) }

    @Test(
        "nobody, or more than one, can be reached there",
        arguments: [
            Endpoint(ipv4: 0x7F00_0001, port: 0), Endpoint(ipv4: 0, port: 1), Endpoint(ipv4: 0x00FF_FFFF, port: 1),
            Endpoint(ipv4: 0xE000_0000, port: 1), Endpoint(ipv4: 0xEFFF_FFFF, port: 1),
            Endpoint(ipv4: 0xF000_0000, port: 1), Endpoint(ipv4: 0xFFFF_FFFF, port: 1),
            Endpoint(high: 0, low: 0, port: 1), Endpoint(high: 0x2001_0DB8_0000_0000, low: 1, port: 0),
            Endpoint(high: 0xFF00_0000_0000_0000, low: 0, port: 1),
            Endpoint(high: 0xFF02_0000_0000_0000, low: 1, port: 1),
        ])
    func notUnicast(endpoint: Endpoint) { #expect(!endpoint.isUnicast) }
}

@Suite("Instant")
struct InstantTests {
    @Test("adding saturates at both ends")
    func saturation() {
        #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
        #expect(Instant(nanoseconds: 5) + .seconds(-1) == Instant(nanoseconds: 0))
        #expect(Instant(nanoseconds: 5) + .nanoseconds(7) == Instant(nanoseconds: 12))
    }

    @Test("a difference has a sign")
    func difference() {
        let (early, late) = (Instant(nanoseconds: 10), Instant(nanoseconds: 30))
        #expect(late - early == .nanoseconds(20))
        #expect(early - late == .nanoseconds(-20))
    }

    @Test("durations clamp to 64 bits of nanoseconds")
    func clamping() {
        #expect(Duration.seconds(Int64.max / 2).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min / 2).nanoseconds == .min)
        #expect(Duration.milliseconds(-1500).nanoseconds == -1_500_000_000)
    }
}
