/// What the driver said of the GPUs of this machine at one moment. Travels as JSON from the process that asks the
/// driver to the daemon.
struct GPUReading: Hashable, Codable, Sendable {
    /// More than any machine has; a driver that counts more is not believed.
    static let devicesMax = 16
    /// NVIDIA splits a GPU into at most seven instances.
    static let instancesMax = 8

    struct Device: Hashable, Codable, Sendable {
        /// The driver's number, which `CUDA_VISIBLE_DEVICES` takes.
        var index: Int
        var model: String?
        var uuid: String?
        var memory: Memory?
        /// Percent of the time in which a kernel ran; nil where the driver does not say, as with MIG.
        var utilization: Int?
        var celsius: Int?
        /// nil: the GPU cannot be split.
        var isSplit: Bool?
        var instances: [Instance] = []
    }

    /// A part of a GPU with memory and processors of its own (Multi-Instance GPU).
    struct Instance: Hashable, Codable, Sendable {
        var index: Int
        /// Such as `1g.18gb`.
        var profile: String
        var uuid: String?
        var memory: Memory?
    }

    struct Memory: Hashable, Codable, Sendable {
        var totalBytes: UInt64
        var freeBytes: UInt64
    }

    var driver: String?
    var cuda: String?
    var devices: [Device] = []
    /// What could not be read, such as `gpu.0`, and why.
    var failures: [String: String] = [:]
}

/// The answer to one question: a reading, or why there is none.
struct GPUAnswer: Hashable, Codable, Sendable {
    var reading: GPUReading?
    var failure: String?
}
