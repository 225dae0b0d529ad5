internal import FoundationEssentials
package import Logging
package import MeshCore
package import MeshRuntime
internal import Subprocess
internal import SystemPackage

/// Runs actors as programs: one process per activation, one line of JSON per message and per answer (`docs/exec.md`).
package struct ExecHandlers: ActorHandlers {
    /// What the daemon knows and a program must not.
    private static let secretVariables = ["MESHNODE_TOKEN", "MESHNODE_ADMIN_TOKEN"]

    private let logger: Logger
    private let guardian: OrphanGuard?

    /// With a `guardian` no program outlives the daemon, however the daemon ends.
    package init(logger: Logger, guardian: OrphanGuard? = nil) {
        self.logger = logger
        self.guardian = guardian
    }

    package func withHandler(
        for path: ActorPath, definition: ActorDefinition, _ turns: (any ActorHandler) async -> Void
    ) async throws(HandlerStartError) {
        let exec =
            switch definition.handler {
            case .exec(let exec): exec
            }
        do {
            _ = try await Subprocess.run(
                Self.configuration(of: exec), input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                await self.converse(with: execution, exec: exec, path: path, turns)
            }
        } catch let error as SubprocessError {
            throw Self.startError(error, exec)
        } catch {
            throw HandlerStartError("cannot run '\(exec.command.first ?? "")': \(error)")
        }
    }

    private func converse(
        with execution: ExecProcess.Running, exec: ActorDefinition.Exec, path: ActorPath,
        _ turns: (any ActorHandler) async -> Void
    ) async {
        let process = ExecProcess(execution, timeout: exec.timeout)
        let group = execution.processIdentifier.value
        self.guardian?.add(group)
        defer { self.guardian?.remove(group) }
        var logger = self.logger
        logger[metadataKey: "path"] = "\(path)"
        logger[metadataKey: "pid"] = "\(execution.processIdentifier.value)"
        logger.debug("started a program", metadata: ["command": "\(exec.command.joined(separator: " "))"])
        await withTaskGroup { group in
            group.addTask { await process.readAnswers() }
            group.addTask { [logger] in await relay(execution.standardError, to: logger) }
            await turns(process)
            await process.end()
            group.cancelAll()
        }
        logger.debug("ended a program")
    }

    private static func configuration(of exec: ActorDefinition.Exec) -> Configuration {
        let program = exec.command.first ?? ""
        var options = PlatformOptions()
        // A session of its own: a Ctrl-C at the daemon's terminal is the daemon's affair, and the group can be killed
        // as one.
        options.createSession = true
        var variables: [Environment.Key: String?] = [:]
        for secret in self.secretVariables { variables[Environment.Key(stringLiteral: secret)] = .some(nil) }
        for variable in exec.environment { variables[Environment.Key(stringLiteral: variable.key)] = variable.value }
        return Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(Array(exec.command.dropFirst())), environment: .inherit.updating(variables),
            workingDirectory: exec.directory.map { FilePath($0) }, platformOptions: options)
    }

    private static func startError(_ error: SubprocessError, _ exec: ActorDefinition.Exec) -> HandlerStartError {
        let program = exec.command.first ?? ""
        switch error.code {
        case .executableNotFound:
            return MissingProgram(program, directory: exec.directory, path: ProcessInfo.processInfo.environment["PATH"])
                .error
        case .failedToChangeWorkingDirectory:
            return HandlerStartError(
                "the folder '\(exec.directory ?? "")' of the program '\(program)' cannot be entered",
                hint: "make it on this node, or correct spec.handler.exec.directory")
        default:
            return HandlerStartError(
                "the program '\(program)' could not be run: \(error)",
                hint: "check that it is executable by the user of the daemon")
        }
    }
}

/// Hands what a program says on its standard error to the node's log: a bounded number of bounded lines.
private func relay(_ output: SubprocessOutputSequence, to logger: Logger) async {
    let lineBytesMax = 4096
    let linesPerSecondMax = 100
    var lines = LineSplitter(lineBytesMax: lineBytesMax)
    var window = ContinuousClock.now
    var said = 0
    var unsaid = 0
    do {
        for try await buffer in output {
            for line in lines.add(buffer.bytes) {
                if ContinuousClock.now - window >= .seconds(1) {
                    if unsaid > 0 {
                        logger.warning("a program says too much", metadata: ["lines_dropped": "\(unsaid)"])
                    }
                    (window, said, unsaid) = (ContinuousClock.now, 0, 0)
                }
                said += 1
                guard said <= linesPerSecondMax else {
                    unsaid += 1
                    continue
                }
                logger.info("\(String(decoding: line.bytes, as: UTF8.self))\(line.isCut ? " …" : "")")
            }
        }
    } catch {
        logger.debug("standard error cannot be read", metadata: ["error": "\(error)"])
    }
    if unsaid > 0 { logger.warning("a program said too much", metadata: ["lines_dropped": "\(unsaid)"]) }
}
