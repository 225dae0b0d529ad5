internal import Glibc

/// Which driver is asked about GPUs.
package enum NVMLSetting: Hashable, Sendable, CustomStringConvertible {
    /// The one that is loaded, if one is.
    case automatic
    case off
    /// This library, wherever it is.
    case library(String)

    /// What a loaded driver shows, natively and under WSL. Without it not even a process is started.
    private static let signs = ["/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version"]

    package init(parsing text: String) throws(InvalidValue) {
        switch text {
        case "auto": self = .automatic
        case "none": self = .off
        default:
            guard text.contains("/"), !text.utf8.contains(0) else {
                throw InvalidValue(
                    "'\(text)' is neither auto, none nor the path of a library such as /opt/libnvidia-ml.so.1")
            }
            self = .library(text)
        }
    }

    package var description: String {
        switch self {
        case .automatic: "auto"
        case .off: "none"
        case .library(let path): path
        }
    }

    var path: String? { if case .library(let path) = self { path } else { nil } }

    var hasDriver: Bool {
        switch self {
        case .automatic: Self.signs.contains { unsafe access($0, F_OK) == 0 }
        case .off: false
        case .library: true
        }
    }
}
