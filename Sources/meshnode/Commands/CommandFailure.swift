internal import ArgumentParser
internal import MeshCore
internal import MeshTransport

/// How a command ends; `docs/cli.md` promises these numbers to scripts.
package enum ExitStatus: Int32, Sendable, CaseIterable {
    case success = 0
    case failed = 1
    case usage = 2
    case unreachable = 3
    case notFound = 4
    case timedOut = 5
    /// The message is in the mesh, and nobody said in time what became of it.
    case accepted = 6
    /// Whether the message is in the mesh is not known.
    case unknown = 7

    init(_ code: MeshError.Code) {
        switch code {
        case .notFound: self = .notFound
        case .deadlineExceeded: self = .timedOut
        default: self = .failed
        }
    }
}

/// One clear line, the mend, and the status to end with.
struct CommandFailure: Error, Sendable {
    var message: String
    var hint: String
    var status: ExitStatus
    /// What a node said; nil if none did.
    var code: MeshError.Code?
    var accepted: MeshError.Accepted?
    /// The request left, and no answer came.
    var isLost = false

    init(_ message: String, hint: String = "", status: ExitStatus = .failed) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    init(_ error: MeshError, status: ExitStatus? = nil) {
        self.init(error.message, hint: error.hint, status: status ?? ExitStatus(error.code))
    }

    /// Nobody answers, or nobody in time: who waits for a node may ask again.
    var isAbsence: Bool { self.status == .unreachable || self.status == .timedOut }
}

extension Meshnode {
    /// Says on standard error what went wrong, never as a dump of a Swift value, and tells how to end.
    static func report(_ error: any Error) -> ExitStatus {
        switch error {
        case let failure as CommandFailure: return self.say(failure)
        case let error as MeshError: return self.say(CommandFailure(error))
        case let error as TransportError:
            return self.say(CommandFailure(error.description, hint: error.hint))
        case let error as InvalidValue: return self.say(CommandFailure(error.description, status: .usage))
        // The command has said everything.
        case let code as ExitCode: return ExitStatus(rawValue: code.rawValue) ?? .failed
        case is CancellationError: return self.say(CommandFailure("interrupted"))
        default: break
        }
        let text = self.fullMessage(for: error)
        switch self.exitCode(for: error) {
        case .success:  // --help, --version and the like
            printLine(text)
            return .success
        case .validationFailure:
            warn(raw: UsageText.mended(text))
            return .usage
        default: return self.say(CommandFailure("\(error)"))
        }
    }

    private static func say(_ failure: CommandFailure) -> ExitStatus {
        warn(raw: "meshnode: " + failure.message + (failure.hint.isEmpty ? "" : "\n  " + failure.hint))
        return failure.status
    }
}
