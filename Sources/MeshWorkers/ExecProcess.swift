internal import MeshCore
internal import MeshRuntime
internal import Subprocess

/// One running program as a handler: writes a message, waits for its answer, and kills the program when it breaks the
/// rules, for then nobody knows which message it is at.
struct ExecProcess: ActorHandler, Sendable {
    typealias Running = Execution<CustomWriteInput, SequenceOutput, SequenceOutput>

    /// A reply and a state of 1 MiB each, as the program writes them, and their envelope.
    static let lineBytesMax = 3 << 20
    /// Where the program's state is among the actor's values.
    private static let stateKey = "state"
    private static let atomicBytesMax = 4096

    private let execution: Running
    private let timeout: Duration
    private let answers = AnswerQueue()

    init(_ execution: Running, timeout: Duration) {
        self.execution = execution
        self.timeout = timeout
    }

    func handle(_ message: Message, path: ActorPath, state: inout ActorState) async throws(TurnFailure) -> [UInt8] {
        let id = message.id.description
        // Cancelled when this scope ends.
        async let _ = self.killAfterTimeout()
        do throws(TurnFailure) {
            try self.answers.requireEmpty()
            if let reason = self.answers.reason { throw .gone(reason) }
            let before = state[Self.stateKey]
            try await self.write(ExecLine.request(message, id: id, path: path, state: before))
            let answer = try ExecLine.answer(in: try await self.answers.next(), to: id)
            if let after = answer.state, after != before {
                state[Self.stateKey] = after == Array("null".utf8) ? nil : after
            }
            return answer.reply
        } catch {
            if case .crashed = error { self.kill() }
            throw error
        }
    }

    func untilGone() async { await self.answers.untilEnd() }

    /// Until the program closes its output, or says what it must not.
    func readAnswers() async {
        var lines = LineSplitter(lineBytesMax: Self.lineBytesMax)
        do {
            for try await buffer in self.execution.standardOutput {
                for line in lines.add(buffer.bytes) {
                    guard !line.isCut else {
                        return self.answers.end(because: "it wrote a line of more than \(Self.lineBytesMax) bytes")
                    }
                    guard self.answers.offer(line.bytes) else {
                        return self.answers.end(because: "it wrote lines that nobody asked for")
                    }
                }
            }
            self.answers.end(because: "it ended, or closed its standard output")
        } catch {
            self.answers.end(because: "its standard output cannot be read: \(error)")
        }
    }

    /// Asks the program to end by closing its standard input, then by SIGTERM, then ends it. Whatever happens, nothing
    /// of the activation runs on: not the program, not what it started.
    func end() async {
        try? await self.execution.standardInputWriter.finish()
        if await !self.hasEnded(within: .seconds(2)) {
            try? self.execution.send(signal: .terminate, toProcessGroup: true)
            _ = await self.hasEnded(within: .seconds(2))
        }
        self.kill()
    }

    private func hasEnded(within grace: Duration) async -> Bool {
        if self.answers.reason != nil { return true }
        await withTaskGroup { group in
            group.addTask { await self.answers.drain() }
            group.addTask { try? await Task.sleep(for: grace) }
            await group.next()
            group.cancelAll()
        }
        return self.answers.reason != nil
    }

    /// The program and all that it started in its group. Harmless when they are gone.
    private func kill() {
        try? self.execution.send(signal: .kill, toProcessGroup: true)
    }

    private func write(_ line: [UInt8]) async throws(TurnFailure) {
        do { _ = try await self.execution.standardInputWriter.write(line) } catch {
            let reason = self.answers.reason ?? "it closed its standard input"
            // So much is written whole or not at all (POSIX, PIPE_BUF): it has seen nothing. Of a longer line it may have
            // seen the part that ended it.
            throw line.count <= Self.atomicBytesMax ? .gone(reason) : .crashed(reason)
        }
    }

    private func killAfterTimeout() async {
        do { try await Task.sleep(for: self.timeout) } catch { return }
        self.answers.end(because: "it did not answer within \(self.timeout)", as: .timeout)
        self.kill()
    }
}
