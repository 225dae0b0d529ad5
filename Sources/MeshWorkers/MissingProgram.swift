internal import FoundationEssentials
internal import MeshRuntime

/// Why a program cannot be started: the system says "not found" of several mistakes that are mended differently.
enum MissingProgram {
    case absent(String)
    case folder(String)
    case notExecutable(String)
    case interpreter(String, of: String)

    /// A name is looked up in PATH; what has a slash is a path, from the program's folder on if it is relative.
    init(_ program: String, directory: String?, path: String?) {
        let candidates =
            program.contains("/")
            ? [program.hasPrefix("/") || directory == nil ? program : "\(directory ?? "")/\(program)"]
            : (path ?? "").split(separator: ":").map { "\($0)/\(program)" }
        let files = FileManager.default
        guard let found = candidates.first(where: { files.fileExists(atPath: $0) }) else {
            self = .absent(program)
            return
        }
        var isFolder = false
        _ = files.fileExists(atPath: found, isDirectory: &isFolder)
        if isFolder {
            self = .folder(found)
        } else if !files.isExecutableFile(atPath: found) {
            self = .notExecutable(found)
        } else {
            self = Self.interpreter(of: found).map { .interpreter($0, of: found) } ?? .absent(program)
        }
    }

    var error: HandlerStartError {
        switch self {
        case .absent(let program):
            HandlerStartError(
                "the program '\(program)' was not found on this node",
                hint: "install it here, or name it by its absolute path in spec.handler.exec.command")
        case .folder(let path):
            HandlerStartError(
                "'\(path)' is a folder, not a program", hint: "name the program in spec.handler.exec.command")
        case .notExecutable(let path):
            HandlerStartError(
                "the program '\(path)' is there, but not executable by the user of the daemon",
                hint: "chmod +x it on this node, or name its interpreter first in spec.handler.exec.command")
        case .interpreter(let interpreter, let path):
            HandlerStartError(
                "the program '\(path)' asks for '\(interpreter)' in its first line, which is not on this node",
                hint:
                    "install that here, or correct the first line (also its end: a Windows line end belongs to the name)"
            )
        }
    }

    /// What the first line asks for, if that is not there.
    private static func interpreter(of path: String) -> String? {
        guard let file = FileManager.default.contents(atPath: path)?.prefix(256), file.starts(with: "#!".utf8) else {
            return nil
        }
        let line = file.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
        guard let word = String(decoding: line, as: UTF8.self).split(separator: " ").first.map(String.init),
            !FileManager.default.fileExists(atPath: word)
        else { return nil }
        return word.replacing("\r", with: "\\r")
    }
}
