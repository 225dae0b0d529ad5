import MeshCore
import MeshRuntime
import Testing

@testable import meshnode

@Suite("Facts and what is read from them")
struct FactTests {
    private static func labels(_ reading: GPUReading) -> [String: String] {
        Dictionary(uniqueKeysWithValues: reading.facts.map { ($0.label.key, $0.label.value) })
    }

    private static func split(gpus: Int, instances: Int) -> GPUReading {
        var reading = GPUReading(driver: "580.1", cuda: "13.0")
        for index in 0..<gpus {
            var device = GPUReading.Device(
                index: index, model: "NVIDIA H200", uuid: "GPU-\(index)",
                memory: .init(totalBytes: 150_754_820_096, freeBytes: 1 << 30), celsius: 40, isSplit: true)
            device.instances = (0..<instances).map {
                GPUReading.Instance(
                    index: $0, profile: "1g.18gb", uuid: nil, memory: .init(totalBytes: 16 << 30, freeBytes: 1 << 30))
            }
            reading.devices.append(device)
        }
        return reading
    }

    @Test("eight GPUs in seven instances each fit into a record, with what every node tells")
    func fits() {
        let reading = Self.split(gpus: 8, instances: 7)
        let labels = (reading.facts + HostReading(dataFolder: "/").facts).map(\.label)
        #expect(labels.count + 2 <= CapabilityField.fieldsMax)
        #expect(throws: Never.self) { try Membership.validate(capabilities: labels) }
    }

    @Test("what has no room is the least telling: identifiers before numbers, numbers before models and memory")
    func order() {
        let keys = Self.split(gpus: 2, instances: 1).facts.map(\.key)
        let place = { (key: String) in keys.firstIndex(of: key) ?? -1 }
        #expect(place("gpu.count") == 0)
        #expect(place("gpu.1.memory.free") < place("gpu.0.mig.0.profile"))
        #expect(place("gpu.1.mig.0.memory.free") < place("gpu.0.temperature"))
        #expect(place("gpu.1.temperature") < place("gpu.0.uuid"))
    }

    @Test("a view has the numbers of the reading it came from")
    func view() throws {
        var reading = Self.split(gpus: 2, instances: 0)
        reading.devices[1].isSplit = false
        reading.devices[1].utilization = 37
        let view = try #require(HardwareView(Self.labels(reading)))
        #expect(view.gpu_cuda == "13.0")
        #expect(view.gpus.map(\.index) == [0, 1])
        #expect(view.gpus[0].model == "NVIDIA H200")
        #expect(view.gpus[0].memory_total_bytes == 143_771 << 20)
        #expect(view.gpus[0].mig == [])
        #expect(view.gpus[1].mig == nil)
        #expect(view.gpus[1].utilization_percent == 37)
        #expect(view.gpus[1].temperature_celsius == 40)
        let split = try #require(HardwareView(Self.labels(Self.split(gpus: 1, instances: 2))))
        #expect(split.gpus[0].mig?.map(\.profile) == ["1g.18gb", "1g.18gb"])
        #expect(split.gpus[0].mig?[1].memory_free_bytes == 1 << 30)
    }

    @Test("what another machine tells can be anything")
    func nonsense() throws {
        let view = try #require(
            HardwareView([
                "cpu.cores": "nan", "memory.total": "99999999999999999MiB", "memory.available": "-1MiB",
                "disk.total": "1GB", "gpu.99999999999999999999.model": "x", "gpu.-1.model": "x", "gpu..model": "x",
                "gpu.0.mig.x.profile": "x", "gpu.0.mig.0.": "x", "gpu.1.utilization": "9e9%", "gpu.2": "x",
            ]))
        #expect(view.cpu_cores == nil && view.memory_total_bytes == nil && view.memory_available_bytes == nil)
        #expect(view.disk_total_bytes == nil)
        #expect(view.gpus.map(\.index) == [0, 1])
        #expect(view.gpus[1].utilization_percent == nil)
        #expect(HardwareView(["gpu": "none", "gpu.memory": "24", "gpu.model": "x", "model": "y"]) == nil)
    }

    @Test("texts of a driver are cut, and move no cursor")
    func texts() {
        var reading = GPUReading(driver: String(repeating: "9", count: 500))
        reading.devices = [GPUReading.Device(index: 0, model: "evil\u{1B}[2J")]
        let labels = Self.labels(reading)
        #expect(labels["gpu.driver"]?.count == 60)
        #expect(labels["gpu.0.model"] == "evil?[2J")
    }

    @Test(
        "which driver to ask",
        arguments: [("auto", .automatic), ("none", .off), ("/opt/x.so", .library("/opt/x.so"))]
            as [(String, NVMLSetting)])
    func setting(text: String, setting: NVMLSetting) throws {
        #expect(try NVMLSetting(parsing: text) == setting)
        #expect(setting.description == text)
        #expect(throws: InvalidValue.self) { try NVMLSetting(parsing: "yes") }
    }
}
