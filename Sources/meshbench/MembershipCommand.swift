internal import ArgumentParser
internal import Glibc

/// `meshbench membership`: real daemons, beside serf if it is installed. What is measured are processes from outside, so
/// the measuring is a script, and this becomes it.
struct MembershipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "membership",
        abstract: "Compares a mesh of real daemons with serf: joining, news, deaths, idle cost. Needs root.",
        discussion: "Run it in the repository's root. The options are those of scripts/bench-membership; see --help.")

    private static let script = "scripts/bench-membership"

    @Argument(parsing: .captureForPassthrough) var options: [String] = []

    func run() throws {
        // The daemon that was built with this program, unless the environment names another.
        unsafe setenv("MESHNODE", besideThisProgram("meshnode"), 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe ([Self.script] + self.options).map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        _ = unsafe execv(Self.script, arguments)
        let reason = unsafe String(cString: strerror(errno))  // static, or of this thread
        throw BenchError("cannot run \(Self.script): \(reason); run meshbench in the repository's root")
    }
}
