internal import CNVML
internal import Glibc

/// The management library of NVIDIA's driver, opened at run time.
///
/// Its calls can block for as long as the driver likes, so only a process that may be killed opens it (`GPUReader`).
@safe struct NVML: ~Copyable {
    struct Failure: Error {
        var reason: String
        /// The GPU has fallen off the bus, or was taken out.
        var isLoss = false
    }

    /// Where drivers put the library besides the loader's own folders: WSL, GKE, the GPU operator, NixOS.
    static let places = [
        "libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
        "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "/run/opengl-driver/lib/libnvidia-ml.so.1",
    ]

    private let library: UnsafeMutableRawPointer
    private let count: nvml_count_function
    private let handle: nvml_handle_function

    /// `path` nil: the usual places.
    init(path: String?) throws(Failure) {
        let places = path.map { [$0] } ?? Self.places
        var reasons: [String] = []
        var opened: UnsafeMutableRawPointer?
        for place in places where unsafe opened == nil {
            unsafe opened = unsafe dlopen(place, RTLD_NOW | RTLD_LOCAL)
            if unsafe opened == nil { reasons.append(unsafe dlerror().map { unsafe String(cString: $0) } ?? place) }
        }
        guard let library = unsafe opened else {
            throw Failure(reason: "the driver's library cannot be opened: \(reasons.first ?? "")")
        }
        guard let initialize = unsafe dlsym(library, "nvmlInit_v2"),
            let count = unsafe dlsym(library, "nvmlDeviceGetCount_v2"),
            let handle = unsafe dlsym(library, "nvmlDeviceGetHandleByIndex_v2")
        else {
            unsafe dlclose(library)
            throw Failure(reason: "the driver's library lacks nvmlInit_v2 or the functions that list devices")
        }
        // The symbols have the types of the API reference; the loader cannot check them.
        let status = unsafe unsafeBitCast(initialize, to: nvml_no_argument_function.self)()
        guard status == nvml_success else {
            let failure = unsafe Failure("nvmlInit_v2", status, says: library)
            unsafe dlclose(library)
            throw failure
        }
        unsafe self.library = library
        unsafe self.count = unsafe unsafeBitCast(count, to: nvml_count_function.self)
        unsafe self.handle = unsafe unsafeBitCast(handle, to: nvml_handle_function.self)
    }

    deinit {
        if let shutdown = unsafe dlsym(self.library, "nvmlShutdown") {
            _ = unsafe unsafeBitCast(shutdown, to: nvml_no_argument_function.self)()
        }
        unsafe dlclose(self.library)
    }

    /// Throws what concerns the driver as a whole; what fails for one GPU is named in the reading.
    func read() throws(Failure) -> GPUReading {
        var number: UInt32 = 0
        let status = unsafe self.count(&number)
        guard status == nvml_success else { throw self.failure("nvmlDeviceGetCount_v2", status) }
        var reading = GPUReading(driver: self.driverVersion, cuda: self.cudaVersion)
        if number > GPUReading.devicesMax {
            reading.failures["gpu"] = "the driver lists \(number) GPUs; \(GPUReading.devicesMax) are read"
        }
        for index in 0..<min(Int(number), GPUReading.devicesMax) {
            do throws(Failure) {
                reading.devices.append(try self.device(index, &reading.failures))
            } catch {
                reading.failures["gpu.\(index)"] = error.reason
            }
        }
        return reading
    }

    private func device(_ index: Int, _ failures: inout [String: String]) throws(Failure) -> GPUReading.Device {
        var found: nvml_device?
        let status = unsafe self.handle(UInt32(index), &found)
        guard status == nvml_success, let device = unsafe found else {
            throw self.failure("nvmlDeviceGetHandleByIndex_v2", status)
        }
        var result = GPUReading.Device(index: index)
        func ask<Value>(_ what: String, _ question: () throws(Failure) -> Value?) throws(Failure) -> Value? {
            do throws(Failure) { return try question() } catch {
                // Of a GPU that is gone nothing is true any more; otherwise only this is missing.
                if error.isLoss { throw error }
                failures["gpu.\(index).\(what)"] = error.reason
                return nil
            }
        }
        result.model = try ask("model") { () throws(Failure) in try unsafe self.text("nvmlDeviceGetName", of: device) }
        result.uuid = try ask("uuid") { () throws(Failure) in try unsafe self.text("nvmlDeviceGetUUID", of: device) }
        result.memory = try ask("memory") { () throws(Failure) in try unsafe self.memory(of: device) }
        result.utilization = try ask("utilization") { () throws(Failure) in try unsafe self.utilization(of: device) }
        result.celsius = try ask("temperature") { () throws(Failure) in try unsafe self.temperature(of: device) }
        result.isSplit = try ask("mig") { () throws(Failure) in try unsafe self.isSplit(device) }
        if result.isSplit == true {
            result.instances = try ask("mig") { () throws(Failure) in try unsafe self.instances(of: device) } ?? []
        }
        return result
    }

    // MARK: questions

    private var driverVersion: String? {
        guard let symbol = unsafe dlsym(self.library, "nvmlSystemGetDriverVersion") else { return nil }
        let function = unsafe unsafeBitCast(symbol, to: nvml_system_text_function.self)
        return unsafe filledText { text, length in unsafe function(text, length) }.text
    }

    /// `13000` is 13.0.
    private var cudaVersion: String? {
        guard let symbol = unsafe dlsym(self.library, "nvmlSystemGetCudaDriverVersion_v2") else { return nil }
        var number: Int32 = 0
        let status = unsafe unsafeBitCast(symbol, to: nvml_system_number_function.self)(&number)
        return status == nvml_success && number > 0 ? "\(number / 1000).\(number % 1000 / 10)" : nil
    }

    private func text(_ name: String, of device: nvml_device) throws(Failure) -> String? {
        guard let symbol = unsafe dlsym(self.library, name) else { return nil }
        let function = unsafe unsafeBitCast(symbol, to: nvml_device_text_function.self)
        let (status, text) = unsafe filledText { text, length in unsafe function(device, text, length) }
        return try self.isGiven(name, status) ? text : nil
    }

    private func memory(of device: nvml_device) throws(Failure) -> GPUReading.Memory? {
        let name = "nvmlDeviceGetMemoryInfo"
        guard let symbol = unsafe dlsym(self.library, name) else { return nil }
        var memory = nvml_memory()
        let status = unsafe unsafeBitCast(symbol, to: nvml_memory_function.self)(device, &memory)
        guard try self.isGiven(name, status) else { return nil }
        return GPUReading.Memory(totalBytes: memory.total, freeBytes: min(memory.free, memory.total))
    }

    private func utilization(of device: nvml_device) throws(Failure) -> Int? {
        let name = "nvmlDeviceGetUtilizationRates"
        guard let symbol = unsafe dlsym(self.library, name) else { return nil }
        var rates = nvml_utilization()
        let status = unsafe unsafeBitCast(symbol, to: nvml_utilization_function.self)(device, &rates)
        return try self.isGiven(name, status) ? Int(min(rates.gpu, 100)) : nil
    }

    private func temperature(of device: nvml_device) throws(Failure) -> Int? {
        let name = "nvmlDeviceGetTemperature"
        guard let symbol = unsafe dlsym(self.library, name) else { return nil }
        var celsius: UInt32 = 0
        let status = unsafe unsafeBitCast(symbol, to: nvml_temperature_function.self)(
            device, nvml_temperature_gpu, &celsius)
        return try self.isGiven(name, status) ? Int(min(celsius, 1000)) : nil
    }

    private func isSplit(_ device: nvml_device) throws(Failure) -> Bool? {
        let name = "nvmlDeviceGetMigMode"
        guard let symbol = unsafe dlsym(self.library, name) else { return nil }
        var (current, pending): (UInt32, UInt32) = (0, 0)
        let status = unsafe unsafeBitCast(symbol, to: nvml_mig_mode_function.self)(device, &current, &pending)
        return try self.isGiven(name, status) ? current == 1 : nil
    }

    private func instances(of device: nvml_device) throws(Failure) -> [GPUReading.Instance] {
        guard let countSymbol = unsafe dlsym(self.library, "nvmlDeviceGetMaxMigDeviceCount"),
            let handleSymbol = unsafe dlsym(self.library, "nvmlDeviceGetMigDeviceHandleByIndex")
        else { return [] }
        var number: UInt32 = 0
        let status = unsafe unsafeBitCast(countSymbol, to: nvml_device_number_function.self)(device, &number)
        guard try self.isGiven("nvmlDeviceGetMaxMigDeviceCount", status) else { return [] }
        let handle = unsafe unsafeBitCast(handleSymbol, to: nvml_mig_handle_function.self)
        var instances: [GPUReading.Instance] = []
        for index in 0..<min(Int(number), GPUReading.instancesMax) {
            var found: nvml_device?
            // Numbers that no instance has are not found: they need not be without gaps.
            guard try self.isGiven("nvmlDeviceGetMigDeviceHandleByIndex", unsafe handle(device, UInt32(index), &found)),
                let instance = unsafe found
            else { continue }
            let name = try unsafe self.text("nvmlDeviceGetName", of: instance) ?? ""
            instances.append(
                GPUReading.Instance(
                    index: index, profile: name.split(separator: " ").last.map(String.init) ?? "?",
                    uuid: try unsafe self.text("nvmlDeviceGetUUID", of: instance),
                    memory: try unsafe self.memory(of: instance)))
        }
        return instances
    }

    // MARK: errors

    /// False for what this GPU or driver does not have; anything else but success throws.
    private func isGiven(_ name: String, _ status: nvml_return) throws(Failure) -> Bool {
        switch status {
        case nvml_success: return true
        case nvml_not_supported, nvml_not_found, nvml_function_not_found: return false
        default: throw self.failure(name, status)
        }
    }

    private func failure(_ name: String, _ status: nvml_return) -> Failure {
        unsafe Failure(name, status, says: self.library)
    }
}

extension NVML.Failure {
    /// In the library's own words.
    fileprivate init(_ name: String, _ status: nvml_return, says library: UnsafeMutableRawPointer) {
        var reason = "error"
        if let symbol = unsafe dlsym(library, "nvmlErrorString"),
            let text = unsafe unsafeBitCast(symbol, to: nvml_error_string_function.self)(status)
        {
            reason = unsafe String(cString: text)
        }
        self.init(reason: "\(name): \(reason) (\(status))", isLoss: status == nvml_gpu_is_lost)
    }
}

/// A text that a function writes into room of `nvml_text_bytes`.
private func filledText(
    _ fill: (UnsafeMutablePointer<CChar>, UInt32) -> nvml_return
) -> (status: nvml_return, text: String?) {
    let length = Int(nvml_text_bytes)
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { buffer in
        unsafe buffer.initialize(repeating: 0)
        guard let start = buffer.baseAddress else { return (nvml_not_found, nil) }
        let status = unsafe fill(start, UInt32(length))
        return (status, status == nvml_success ? unsafe String(cString: start) : nil)
    }
}
