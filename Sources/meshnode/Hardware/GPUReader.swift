internal import FoundationEssentials
internal import Glibc

/// Asks a process of its own for readings of the GPUs.
///
/// A driver that hangs holds its caller in the kernel, where no signal ends it, with every socket and lock that the
/// caller has open; one that crashes takes its caller along. So the caller is a child that has nothing, and what it
/// does not answer in time is a failure. Not for several threads.
@safe final class GPUReader {
    /// The first answer includes waking GPUs that nobody uses, seconds for each without the persistence daemon.
    static let firstAnswerMax = Duration.seconds(20)
    static let answerMax = Duration.seconds(5)
    fileprivate static let answerBytesMax = 256 << 10
    /// After a failure the next try waits so long, and twice as long after each further one.
    private static let pauseMin = Duration.seconds(5)
    private static let pauseMax = Duration.seconds(300)

    private struct Child {
        var process: pid_t
        var socket: Int32
        var hasAnswered = false
    }

    private let setting: NVMLSetting
    private var child: Child?
    /// Killed and not yet gone: none is started beside it.
    private var dying: pid_t?
    private var pause = GPUReader.pauseMin
    private var retryAt: ContinuousClock.Instant?
    private var lastFailure: GPUAnswer?

    init(_ setting: NVMLSetting) { self.setting = setting }

    deinit { self.endChild() }

    /// nil where there is no driver to ask. Returns within `firstAnswerMax`, with a failure if need be.
    func read() -> GPUAnswer? {
        guard self.setting.hasDriver else {
            self.endChild()
            self.lastFailure = nil
            return nil
        }
        if let retryAt = self.retryAt, ContinuousClock.now < retryAt { return self.lastFailure }
        let answer = self.ask()
        if answer.failure == nil {
            (self.pause, self.retryAt, self.lastFailure) = (Self.pauseMin, nil, nil)
        } else {
            self.endChild()
            self.lastFailure = answer
            self.retryAt = ContinuousClock.now + self.pause
            self.pause = min(self.pause * 2, Self.pauseMax)
        }
        return answer
    }

    private func ask() -> GPUAnswer {
        do throws(Broken) {
            if self.child == nil { self.child = try self.startChild() }
            guard let child = self.child else { throw Broken(reason: "no process to ask") }
            let line = try exchange(
                over: child.socket, within: child.hasAnswered ? Self.answerMax : Self.firstAnswerMax)
            guard let answer = try? JSONDecoder().decode(GPUAnswer.self, from: Data(line)) else {
                throw Broken(reason: "what the reading process answered is not a reading")
            }
            self.child?.hasAnswered = true
            return answer
        } catch {
            return GPUAnswer(failure: error.reason)
        }
    }

    fileprivate struct Broken: Error { var reason: String }

    // MARK: the process

    private func startChild() throws(Broken) -> Child {
        if let process = self.dying {
            guard waitpid(process, nil, WNOHANG) != 0 else {
                throw Broken(reason: "process \(process) hangs in the driver and cannot be ended")
            }
            self.dying = nil
        }
        var ends: [Int32] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw Broken(reason: "no socket for the reading process: \(unsafe String(cString: strerror(errno)))")
        }
        defer { close(ends[1]) }
        let arguments = ["meshnode", "read-gpus"] + (self.setting.path.map { ["--library", $0] } ?? [])
        var environment = ProcessInfo.processInfo.environment
        for secret in ["MESHNODE_TOKEN", "MESHNODE_ADMIN_TOKEN"] { environment[secret] = nil }
        do {
            let process = try spawn(
                arguments, environment.map { "\($0.key)=\($0.value)" }, standardInputOutput: ends[1])
            return Child(process: process, socket: ends[0])
        } catch {
            close(ends[0])
            throw Broken(reason: "the reading process cannot be started: \(error.reason)")
        }
    }

    private func endChild() {
        guard let child = self.child else { return }
        self.child = nil
        close(child.socket)
        kill(child.process, SIGKILL)
        // One that hangs in the kernel is waited for later, or by nobody.
        for _ in 0..<50 {
            if waitpid(child.process, nil, WNOHANG) != 0 { return }
            poll(nil, 0, 10)
        }
        self.dying = child.process
    }
}

/// One byte asks; the answer is one line.
private func exchange(over socket: Int32, within limit: Duration) throws(GPUReader.Broken) -> [UInt8] {
    let deadline = ContinuousClock.now + limit
    var question = UInt8(ascii: "\n")
    guard unsafe send(socket, &question, 1, Int32(MSG_NOSIGNAL)) == 1 else {
        throw GPUReader.Broken(reason: "the process that asks the driver has ended")
    }
    var line: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
        let left = deadline - ContinuousClock.now
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        let ready = left > .zero ? unsafe poll(&waiting, 1, Int32(left / .milliseconds(1)) + 1) : 0
        if ready < 0, errno == EINTR { continue }
        guard ready > 0 else { throw GPUReader.Broken(reason: "the driver did not answer within \(limit)") }
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw GPUReader.Broken(reason: "the process that asks the driver has ended") }
        line += chunk[..<count]
        guard line.count <= GPUReader.answerBytesMax else { throw GPUReader.Broken(reason: "the answer is too long") }
        if line.last == UInt8(ascii: "\n") { return line }
    }
}
