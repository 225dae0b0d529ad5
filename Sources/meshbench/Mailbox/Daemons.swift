internal import Glibc
internal import MeshCore

/// Nodes beside the one in this process: real daemons, ended with `end`.
struct Daemons: Sendable {
    private let processes: [pid_t]

    init(_ count: Int, _ program: String, joining address: Endpoint, token: String, in folder: String) throws {
        var processes: [pid_t] = []
        for number in 0..<count {
            processes.append(
                try Self.start(
                    program,
                    [
                        "start", "--data", "\(folder)/daemon\(number)", "--name", "daemon\(number)", "--bind",
                        "127.0.0.1:0", "--http", "none", "--join", "\(address)",
                    ],
                    environment: ["MESHNODE_TOKEN=\(token)"],
                    output: "\(folder)/daemon\(number).log"))
        }
        self.processes = processes
    }

    private static func start(
        _ program: String, _ arguments: [String], environment: [String], output: String
    ) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            _ = unsafe posix_spawn_file_actions_addopen(
                &actions, descriptor, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var child: pid_t = 0
        let status = unsafe withTerminatedStrings([program] + arguments) { arguments in
            unsafe withTerminatedStrings(environment) { environment in
                unsafe posix_spawn(&child, program, &actions, nil, arguments, environment)
            }
        }
        guard status == 0 else { throw BenchError("cannot run \(program): error \(status)") }
        return child
    }

    /// Of this process and of all daemons together.
    var processorSeconds: Double {
        var clocks = [CLOCK_PROCESS_CPUTIME_ID]
        for process in self.processes {
            var clock = clockid_t()
            if unsafe clock_getcpuclockid(process, &clock) == 0 { clocks.append(clock) }
        }
        return clocks.reduce(0) { sum, clock in
            var time = timespec()
            unsafe clock_gettime(clock, &time)
            return sum + Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
    }

    func end() {
        for process in self.processes {
            kill(process, SIGKILL)
            _ = waitpid(process, nil, 0)
        }
    }
}

private func withTerminatedStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { for index in 0..<strings.count { unsafe free(pointers[index]) } }
    return unsafe body(pointers)
}

/// A program in the folder of this one.
func besideThisProgram(_ name: String) -> String {
    guard let path = unsafe realpath("/proc/self/exe", nil) else { return name }
    defer { unsafe free(path) }
    let own = unsafe String(cString: path)  // copied before it is freed
    return own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/" + name
}

/// A folder of its own, removed with all that is in it.
struct BenchFolder: Sendable {
    let path: String

    init(in directory: String) throws {
        let path = "\(directory)/meshbench-\(getpid())"
        guard unsafe mkdir(path, 0o700) == 0 else {
            throw BenchError("cannot make the folder \(path): error \(errno)")
        }
        self.path = path
    }

    func remove() { Self.remove(self.path) }

    private static func remove(_ path: String) {
        // A file, or a folder that is empty.
        guard unsafe Glibc.remove(path) != 0, errno == ENOTEMPTY, let handle = unsafe opendir(path) else { return }
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { self.remove("\(path)/\(name)") }
        }
        unsafe closedir(handle)
        _ = unsafe rmdir(path)
    }
}
