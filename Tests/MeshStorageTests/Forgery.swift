import Foundation
import MeshCore

/// Changes what lies in RocksDB's write-ahead log and puts its checksums right again: bytes that came from the wrong place,
/// or changed in memory, look like this to RocksDB.
enum Forgery {
    struct NotFound: Error {}

    /// Replaces every occurrence of `old` by `new`, of the same length, in records of one fragment.
    static func replace(_ old: [UInt8], by new: [UInt8], in folder: String) throws {
        precondition(old.count == new.count)
        guard let path = try largest(".log", in: folder) else { throw NotFound() }
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        var offset = 0
        var count = 0
        while offset + 7 <= bytes.count {
            let room = (32 << 10) - offset % (32 << 10)
            guard room >= 7 else {
                offset += room
                continue
            }
            let end = offset + 7 + Int(bytes[offset + 4]) + Int(bytes[offset + 5]) << 8
            var found = false
            while let place = bytes[offset + 7..<end].firstRange(of: old)?.lowerBound {
                bytes.replaceSubrange(place..<place + old.count, with: new)
                found = true
                count += 1
            }
            if found {
                let crc = crc32c(bytes[offset + 6..<end])
                let masked = (crc >> 15 | crc << 17) &+ 0xA282_EAD8
                for place in 0..<4 { bytes[offset + place] = UInt8(truncatingIfNeeded: masked >> (8 * UInt32(place))) }
            }
            offset = end
        }
        guard count > 0 else { throw NotFound() }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private static func crc32c(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
        }
        return ~crc
    }
}
