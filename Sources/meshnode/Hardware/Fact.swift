internal import MeshCore

/// One capability as it was read, under its key (`docs/capabilities.md`).
struct Fact: Hashable, Sendable {
    enum Value: Hashable, Sendable {
        /// Told whenever it is another one.
        case text(String)
        /// Told when it has moved by as much as makes a difference; `step` says how much.
        case mebibytes(Int, step: Int)
        case percent(Int)
        case celsius(Int)
    }

    var key: String
    var value: Value

    /// As it is advertised: the unit stands in the value.
    var label: Label { Label(self.key, self.text) }

    private var text: String {
        switch self.value {
        case .text(let text): text
        case .mebibytes(let number, _): "\(number)MiB"
        case .percent(let number): "\(number)%"
        case .celsius(let number): "\(number)C"
        }
    }

    /// What moves, and by how much before it is told again.
    var movement: (number: Int, step: Int)? {
        switch self.value {
        case .text: nil
        case .mebibytes(let number, let step): (number, step)
        case .percent(let number): (number, 10)
        case .celsius(let number): (number, 5)
        }
    }
}

/// Keys of facts, in one place for who writes and who reads them.
enum FactKey {
    static let cores = "cpu.cores"
    static let architecture = "cpu.arch"
    static let memoryTotal = "memory.total"
    static let memoryAvailable = "memory.available"
    static let diskTotal = "disk.total"
    static let diskFree = "disk.free"
    static let gpuCount = "gpu.count"
    static let gpuDriver = "gpu.driver"
    static let gpuCUDA = "gpu.cuda"

    private static let ofHost = [
        cores, architecture, memoryTotal, memoryAvailable, diskTotal, diskFree, gpuCount, gpuDriver, gpuCUDA,
    ]

    /// Whether the key is one of those above or `gpu.NUMBER.…`: read, not thought up by an operator.
    static func isProbed(_ key: String) -> Bool {
        if self.ofHost.contains(key) { return true }
        let parts = key.split(separator: ".", maxSplits: 2)
        return parts.count == 3 && parts[0] == "gpu" && Int(parts[1]) != nil
    }
}

extension HostReading {
    /// The most telling first, for whoever has no room for all.
    var facts: [Fact] {
        var facts = [Fact(key: FactKey.architecture, value: .text(Self.architecture))]
        if let hundredths = self.cpuHundredths {
            facts.append(Fact(key: FactKey.cores, value: .text(decimal(hundredths: hundredths))))
        }
        if let memory = self.memory {
            facts += memory.facts(total: FactKey.memoryTotal, free: FactKey.memoryAvailable)
        }
        if let disk = self.disk { facts += disk.facts(total: FactKey.diskTotal, free: FactKey.diskFree) }
        return facts
    }
}

extension GPUReading {
    /// The most telling first.
    var facts: [Fact] {
        var facts = [Fact(key: FactKey.gpuCount, value: .text("\(self.devices.count)"))]
        if let driver = self.driver { facts.append(Fact(key: FactKey.gpuDriver, value: .text(clean(driver)))) }
        if let cuda = self.cuda { facts.append(Fact(key: FactKey.gpuCUDA, value: .text(clean(cuda)))) }
        for device in self.devices {
            let key = "gpu.\(device.index)"
            if let model = device.model { facts.append(Fact(key: "\(key).model", value: .text(clean(model)))) }
            facts += device.memory?.facts(key) ?? []
            if let isSplit = device.isSplit {
                facts.append(Fact(key: "\(key).mig", value: .text(isSplit ? "on" : "off")))
            }
        }
        for device in self.devices {
            for instance in device.instances {
                let key = "gpu.\(device.index).mig.\(instance.index)"
                facts.append(Fact(key: "\(key).profile", value: .text(clean(instance.profile))))
                facts += instance.memory?.facts(key) ?? []
            }
        }
        for device in self.devices {
            let key = "gpu.\(device.index)"
            if let percent = device.utilization {
                facts.append(Fact(key: "\(key).utilization", value: .percent(percent)))
            }
            if let celsius = device.celsius { facts.append(Fact(key: "\(key).temperature", value: .celsius(celsius))) }
        }
        for device in self.devices {
            if let uuid = device.uuid { facts.append(Fact(key: "gpu.\(device.index).uuid", value: .text(clean(uuid)))) }
        }
        return facts
    }
}

extension GPUReading.Memory {
    fileprivate func facts(_ key: String) -> [Fact] {
        HostReading.Room(totalBytes: self.totalBytes, freeBytes: self.freeBytes)
            .facts(total: key + ".memory.total", free: key + ".memory.free")
    }
}

extension HostReading.Room {
    /// What is free is told again when it moved by a twentieth of the whole, but by 64 MiB at least and by 1 GiB at
    /// most: less decides about no actor, and each telling goes to every member.
    fileprivate func facts(total: String, free: String) -> [Fact] {
        let mebibytes = Int(clamping: self.totalBytes >> 20)
        return [
            Fact(key: total, value: .text("\(mebibytes)MiB")),
            Fact(
                key: free,
                value: .mebibytes(Int(clamping: self.freeBytes >> 20), step: min(max(mebibytes / 20, 64), 1024))),
        ]
    }
}

/// `8`, `1.5`, `0.25`.
private func decimal(hundredths: Int) -> String {
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "\(whole)" }
    return rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
}

/// A driver's text as a capability's value: short, and nothing that a terminal would obey.
private func clean(_ text: String) -> String { String(printable(text).prefix(60)) }
