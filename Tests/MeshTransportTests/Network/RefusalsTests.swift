import Logging
import MeshCore
import MeshTransport
import Testing

@Suite("refusals")
struct RefusalsTests {
    private let start = Instant(nanoseconds: 5)

    @Test("a reason speaks once a second and says how much it kept to itself")
    func limiter() {
        var limiter = LogLimiter<Int>(interval: .seconds(1))
        #expect(limiter.admit(1, at: self.start) == 0)
        #expect(limiter.admit(2, at: self.start) == 0)
        for millisecond in 1..<1000 { #expect(limiter.admit(1, at: self.start + .milliseconds(millisecond)) == nil) }
        #expect(limiter.admit(1, at: self.start + .seconds(1)) == 999)
        #expect(limiter.admit(1, at: self.start + .seconds(3)) == 0)
    }

    @Test("all are counted, logged or not")
    func counts() {
        let refusals = Refusals(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        for _ in 0..<5 { refusals.count(.datagram(.unauthentic), at: self.start, "somewhere") }
        refusals.count(.stream(.silent), at: self.start, "somewhere")
        #expect(refusals.counts == ["datagram.unauthentic": 5, "stream.silent": 1])
    }

    @Test("a rate limit gives its burst, then its rate")
    func bucket() {
        var bucket = RateLimit(pause: .milliseconds(100), burst: 3)
        #expect((0..<5).map { _ in bucket.allows(at: self.start) } == [true, true, true, false, false])
        #expect(bucket.allows(at: self.start + .milliseconds(110)) == true)
        #expect(bucket.allows(at: self.start + .milliseconds(120)) == false)
    }
}
