internal import MeshCore
internal import NIOCore

/// Looks into the ways between this node and others: asks them over their streams, and answers them. Lives on the gossip
/// loop, whose socket the probes must use, for a firewall may let another pass.
final class Diagnosis {
    /// What it needs of the node; called on the gossip loop.
    struct Outlet {
        var frame: (NodeID, PeerFrame) -> Void
        var dial: (Endpoint, @escaping @Sendable (DialOutcome) -> Void) -> Void
        var endpoint: (NodeID) -> Endpoint?
    }

    /// With the round trip over the stream, and this node's wall clock when the answer came.
    struct Answer: Sendable {
        var frame: DiagnosisFrame
        var roundTrip: Duration
        var wallClock: UInt64
    }

    private struct Question {
        var node: NodeID
        var askedAt: Instant
        var answer: (Answer?) -> Void
    }

    static let questionsMax = 1024
    /// Rounds, of this node's own and of those that others ask for. Who examines 32 members at once begins as many each
    /// second, and each is remembered for six.
    static let roundsMax = 512
    static let dialsMax = 32
    /// A packet is lost now and then: each is sent three times.
    private static let sendAfter: [TimeAmount] = [.zero, .milliseconds(150), .milliseconds(400)]
    /// Who asks sends later by so much: the question must be there before the first probe, which nobody expected otherwise.
    private static let headStart = TimeAmount.milliseconds(100)
    private static let roundTime = TimeAmount.milliseconds(900)
    /// That something was lost is said so much later than that all came: a machine with much to do reads its socket late.
    static let lateBy = TimeAmount.milliseconds(1300)
    /// What comes after its round was judged is late, not hostile.
    private static let keptFor = TimeAmount.seconds(5)

    private let loop: any EventLoop
    private let outlet: Outlet
    /// Sends one datagram of each size, unfragmented; set by the owner of the socket.
    var sendProbes: (_ number: UInt64, Endpoint) -> Void = { _, _ in }
    private var questions: [UInt64: Question] = [:]
    private var lastQuestion: UInt64 = 0
    private var rounds: [UInt64: DatagramSizes] = [:]
    private var dials = 0
    private var isClosed = false

    init(loop: any EventLoop, outlet: Outlet) {
        self.loop = loop
        self.outlet = outlet
    }

    // MARK: asking

    /// `answer` is called once: with nil if none came in time.
    func ask(
        _ question: DiagnosisFrame, of node: NodeID, within timeout: TimeAmount, answer: @escaping (Answer?) -> Void
    ) {
        guard !self.isClosed, self.questions.count < Self.questionsMax else { return answer(nil) }
        self.lastQuestion += 1
        let number = self.lastQuestion
        self.questions[number] = Question(node: node, askedAt: .now(), answer: answer)
        self.outlet.frame(node, PeerFrame(kind: .diagnosis, correlation: number, body: question.encoded()))
        self.after(timeout) { self.questions.removeValue(forKey: number)?.answer(nil) }
    }

    /// Sends the probes of a round and counts those that come; false if there are too many rounds. The other side begins
    /// the same round when it has been asked to.
    func beginRound(_ number: UInt64, with endpoint: Endpoint) -> Bool {
        self.beginRound(number, with: endpoint, sendingAfter: Self.headStart)
    }

    private func beginRound(_ number: UInt64, with endpoint: Endpoint, sendingAfter start: TimeAmount) -> Bool {
        guard !self.isClosed, self.rounds.count < Self.roundsMax, self.rounds[number] == nil else { return false }
        self.rounds[number] = []
        for delay in Self.sendAfter {
            self.after(start + delay) { self.sendProbes(number, endpoint) }
        }
        self.after(Self.roundTime + Self.keptFor) { self.rounds[number] = nil }
        return true
    }

    func seen(in number: UInt64) -> DatagramSizes { self.rounds[number] ?? [] }

    func close() {
        self.isClosed = true
        let questions = self.questions.sorted { $0.key < $1.key }.map(\.value)
        self.questions = [:]
        for question in questions { question.answer(nil) }
    }

    // MARK: being asked

    /// False: nobody expects this probe.
    func received(probe number: UInt64, bytes: Int) -> Bool {
        guard let size = DatagramSizes.each.first(where: { $0.sealedBytes == bytes }) else { return false }
        return self.rounds[number]?.insert(size) != nil
    }

    func received(_ frame: PeerFrame, from node: NodeID) throws(WireError) {
        guard !self.isClosed else { return }
        let reply = { (answer: DiagnosisFrame) in
            self.outlet.frame(
                node, PeerFrame(kind: .diagnosis, correlation: frame.correlation, body: answer.encoded()))
        }
        let body = try DiagnosisFrame(decoding: frame.body)
        switch body {
        case .whatTime: reply(.time(wallClockNanoseconds()))
        case .probe(let number):
            // To where the member is known to be, whoever asks: nobody else gets packets for it.
            guard let endpoint = self.outlet.endpoint(node),
                self.beginRound(number, with: endpoint, sendingAfter: .zero)
            else { return }
            self.after(Self.roundTime) {
                guard self.seen(in: number) != .all else { return reply(.probed(.all)) }
                self.after(Self.lateBy) { reply(.probed(self.seen(in: number))) }
            }
        case .dial:
            guard self.dials < Self.dialsMax, let endpoint = self.outlet.endpoint(node) else { return }
            self.dials += 1
            let bound = NIOLoopBound((self, reply), eventLoop: self.loop)
            self.outlet.dial(endpoint) { outcome in
                bound.eventLoop.execute {
                    let (diagnosis, reply) = bound.value
                    diagnosis.dials -= 1
                    reply(.dialled(outcome, endpoint))
                }
            }
        case .time, .probed, .dialled:
            guard let question = self.questions[frame.correlation], question.node == node else { return }
            self.questions[frame.correlation] = nil
            question.answer(
                Answer(frame: body, roundTrip: .now() - question.askedAt, wallClock: wallClockNanoseconds()))
        }
    }

    private func after(_ time: TimeAmount, _ body: @escaping () -> Void) {
        guard time > .zero else { return body() }
        self.loop.assumeIsolated().scheduleTask(in: time) { if !self.isClosed { body() } }
    }
}
