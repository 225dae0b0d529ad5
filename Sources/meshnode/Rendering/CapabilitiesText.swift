package import MeshRuntime

/// What `capabilities` prints for people.
package enum CapabilitiesText {
    /// One line for each member.
    package static func members(_ members: [CapabilitiesView], width: Int?, color: Bool) -> String {
        var table = Table([
            .flexible("NAME", min: 8), .left("STATE"), .right("CORES"), .right("MEMORY"), .right("DISK"),
            .flexible("GPUS", min: 10), .right("GPU MEMORY"), .right("BUSY"), .flexible("OTHER", min: 8),
        ])
        for member in members {
            let hardware = member.hardware ?? HardwareView()
            table.add(
                [
                    Human.text(member.name), member.state, self.cores(hardware), self.memory(hardware),
                    Human.bytes(hardware.disk_free_bytes, of: hardware.disk_total_bytes), self.gpus(hardware),
                    self.gpuMemory(hardware), self.busy(hardware), Human.labels(self.said(member.capabilities)),
                ], styles: [1: Style(state: member.state)])
        }
        return table.text(width: width, color: color)
    }

    /// Every key of one member.
    package static func all(_ capabilities: [String: String], width: Int?) -> String {
        var table = Table([.flexible("KEY", min: 20), .flexible("VALUE", min: 20)])
        for (key, value) in capabilities.sorted(by: { naturalOrder($0.key) < naturalOrder($1.key) }) {
            table.add([key, Human.text(value)])
        }
        return table.text(width: width)
    }

    /// What operators said, without what was read.
    static func said(_ capabilities: [String: String]) -> [String: String] {
        capabilities.filter { !FactKey.isProbed($0.key) }
    }

    static func cores(_ hardware: HardwareView) -> String {
        guard let cores = hardware.cpu_cores, cores < 1e6 else { return "-" }
        return cores == cores.rounded() ? "\(Int(cores))" : "\(cores)"
    }

    static func memory(_ hardware: HardwareView) -> String {
        Human.bytes(hardware.memory_available_bytes, of: hardware.memory_total_bytes)
    }

    /// `8 NVIDIA H200`, or of several kinds all.
    static func gpus(_ hardware: HardwareView) -> String {
        let models = Dictionary(hardware.gpus.map { ($0.model ?? "unknown", 1) }, uniquingKeysWith: +)
        guard !models.isEmpty else { return "-" }
        return models.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    static func gpuMemory(_ hardware: HardwareView) -> String {
        Human.bytes(
            sum(hardware.gpus.compactMap(\.memory_free_bytes)), of: sum(hardware.gpus.compactMap(\.memory_total_bytes)))
    }

    /// Mean over the GPUs that tell.
    private static func busy(_ hardware: HardwareView) -> String {
        let told = hardware.gpus.compactMap(\.utilization_percent)
        guard !told.isEmpty else { return "-" }
        return "\(told.reduce(0) { $0 + min($1, 100) } / told.count)%"
    }
}

/// nil for none. Numbers from other machines must not overflow here.
private func sum(_ numbers: [Int]) -> Int? {
    numbers.isEmpty ? nil : numbers.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
}

/// `gpu.10` after `gpu.9`: numbers among the parts are padded.
private func naturalOrder(_ key: String) -> String {
    key.split(separator: ".", omittingEmptySubsequences: false)
        .map { part in
            let isNumber = !part.isEmpty && part.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            return isNumber ? String(repeating: "0", count: max(0, 10 - part.count)) + part : String(part)
        }
        .joined(separator: ".")
}
