internal import ArgumentParser
internal import Glibc
internal import MeshSimulation

/// Judges what clients saw, of a simulation or of real processes.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a history: linearizable registers and queues, counters, delivery, outboxes.",
        discussion: """
            The format, JSON lines, is in docs/simulation.md. Exit status: 0 all holds, 1 something is violated (the lines \
            that show it are printed), 2 the history cannot be read, 3 a question was too hard for --steps.
            """)

    private static let bytesMax = 1 << 30
    private static let linesShownMax = 24

    @Argument(help: "The history, or - for standard input.")
    var file: String

    @Option(help: "Configurations to try per object before giving up.")
    var steps = History.stepsDefault

    @Flag(help: "Print the verdict alone.")
    var quiet = false

    func validate() throws {
        guard self.steps > 0 else { throw ValidationError("--steps \(self.steps): at least one is needed") }
    }

    func run() throws {
        let before = Console.processorTime
        let bytes = try self.contents()
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var reader = HistoryReader()
        do throws(HistoryError) {
            for line in lines { try reader.add(Array(line)) }
        } catch {
            throw ValidationError("\(self.file), \(error)")
        }
        let report = reader.finished().check(steps: self.steps)
        if !self.quiet { self.tell(report, lines) }
        let verdict =
            switch report.verdict {
            case .ok: "ok"
            case .violated: "VIOLATED"
            case .gaveUp: "gave up"
            }
        Console.say(
            "\(verdict) | operations \(report.operations) | objects \(report.objects) | "
                + "violations \(report.findings.count) | undecided \(report.undecided.count) | "
                + "processor \((Console.processorTime - before).milliseconds) ms")
        switch report.verdict {
        case .ok: return
        case .violated: throw ExitCode(1)
        case .gaveUp: throw ExitCode(3)
        }
    }

    private func tell(_ report: HistoryReport, _ lines: [ArraySlice<UInt8>]) {
        for finding in report.findings {
            Console.say("\(finding.check) of \(finding.object): \(finding.reason)")
            for number in finding.lines.prefix(Self.linesShownMax) where lines.indices.contains(number - 1) {
                Console.say("  \(number): \(String(decoding: lines[number - 1], as: UTF8.self))")
            }
            if finding.lines.count > Self.linesShownMax {
                Console.say("  and \(finding.lines.count - Self.linesShownMax) more")
            }
        }
        for open in report.undecided { Console.say("\(open.check) of \(open.object) is undecided: \(open.reason)") }
    }

    private func contents() throws -> [UInt8] {
        let descriptor = self.file == "-" ? dup(STDIN_FILENO) : unsafe open(self.file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ValidationError("\(self.file): \(Console.lastError)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else { throw ValidationError("\(self.file): \(Console.lastError)") }
            guard bytes.count + count <= Self.bytesMax else {
                throw ValidationError("\(self.file): more than \(Self.bytesMax) bytes")
            }
            bytes += buffer.prefix(count)
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
