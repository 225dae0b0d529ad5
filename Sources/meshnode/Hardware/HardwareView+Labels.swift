internal import MeshRuntime

extension HardwareView {
    /// From what a member advertises; nil if nothing of it is hardware. Values come from other machines: what is no
    /// number is left out.
    init?(_ labels: [String: String]) {
        guard labels.keys.contains(where: FactKey.isProbed) else { return nil }
        self.init()
        self.cpu_cores = labels[FactKey.cores].flatMap { Double($0) }.flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
        self.cpu_arch = labels[FactKey.architecture]
        self.memory_total_bytes = labels[FactKey.memoryTotal].flatMap(bytes)
        self.memory_available_bytes = labels[FactKey.memoryAvailable].flatMap(bytes)
        self.disk_total_bytes = labels[FactKey.diskTotal].flatMap(bytes)
        self.disk_free_bytes = labels[FactKey.diskFree].flatMap(bytes)
        self.gpu_driver = labels[FactKey.gpuDriver]
        self.gpu_cuda = labels[FactKey.gpuCUDA]
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            let parts = key.split(separator: ".").map(String.init)
            guard parts.count >= 3, parts[0] == "gpu", let index = Int(parts[1]), index >= 0 else { continue }
            let place = self.gpus.firstIndex { $0.index == index } ?? self.gpus.endIndex
            if place == self.gpus.endIndex { self.gpus.append(GPU(index: index)) }
            self.gpus[place].take(parts[2...].joined(separator: "."), value)
        }
        self.gpus.sort { $0.index < $1.index }
    }
}

extension HardwareView.GPU {
    fileprivate mutating func take(_ key: String, _ value: String) {
        switch key {
        case "model": self.model = value
        case "uuid": self.uuid = value
        case "memory.total": self.memory_total_bytes = bytes(value)
        case "memory.free": self.memory_free_bytes = bytes(value)
        case "utilization": self.utilization_percent = number(value, "%")
        case "temperature": self.temperature_celsius = number(value, "C")
        case "mig": if value == "on", self.mig == nil { self.mig = [] }
        default:
            let parts = key.split(separator: ".", maxSplits: 2).map(String.init)
            guard parts.count == 3, parts[0] == "mig", let index = Int(parts[1]), index >= 0 else { return }
            var instances = self.mig ?? []
            let place = instances.firstIndex { $0.index == index } ?? instances.endIndex
            if place == instances.endIndex { instances.append(HardwareView.Instance(index: index)) }
            switch parts[2] {
            case "profile": instances[place].profile = value
            case "memory.total": instances[place].memory_total_bytes = bytes(value)
            case "memory.free": instances[place].memory_free_bytes = bytes(value)
            default: break
            }
            self.mig = instances.sorted { $0.index < $1.index }
        }
    }
}

/// `1024MiB`, as facts are written.
private func bytes(_ text: String) -> Int? {
    number(text, "MiB").flatMap { $0 <= Int.max >> 20 ? $0 << 20 : nil }
}

private func number(_ text: String, _ unit: String) -> Int? {
    guard text.hasSuffix(unit), let number = Int(text.dropLast(unit.count)), number >= 0 else { return nil }
    return number
}
