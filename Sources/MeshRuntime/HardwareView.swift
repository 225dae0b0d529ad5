// The names are those of the JSON, which is snake_case and stable.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// A member's hardware as it last told: its capabilities as numbers. What it did not tell is nil.
package struct HardwareView: Codable, Hashable, Sendable {
    package struct GPU: Codable, Hashable, Sendable {
        package var index: Int
        package var model: String?
        package var uuid: String?
        package var memory_total_bytes: Int?
        package var memory_free_bytes: Int?
        package var utilization_percent: Int?
        package var temperature_celsius: Int?
        /// Instances, if the GPU is split; nil if it is not.
        package var mig: [Instance]?

        package init(index: Int) { self.index = index }
    }

    /// A part of a GPU (Multi-Instance GPU).
    package struct Instance: Codable, Hashable, Sendable {
        package var index: Int
        /// Such as `1g.18gb`.
        package var profile: String?
        package var memory_total_bytes: Int?
        package var memory_free_bytes: Int?

        package init(index: Int) { self.index = index }
    }

    package var cpu_cores: Double?
    package var cpu_arch: String?
    package var memory_total_bytes: Int?
    package var memory_available_bytes: Int?
    package var disk_total_bytes: Int?
    package var disk_free_bytes: Int?
    package var gpu_driver: String?
    package var gpu_cuda: String?
    package var gpus: [GPU] = []

    package init() {}
}

/// What one member can do.
package struct CapabilitiesView: Codable, Sendable {
    package var id: String
    package var name: String
    /// `alive`, `suspect`, `dead` or `left`.
    package var state: String
    package var capabilities: [String: String]
    package var hardware: HardwareView?

    package init(
        id: String, name: String, state: String, capabilities: [String: String], hardware: HardwareView?
    ) {
        self.id = id
        self.name = name
        self.state = state
        self.capabilities = capabilities
        self.hardware = hardware
    }
}
