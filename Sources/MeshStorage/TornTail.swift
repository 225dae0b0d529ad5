internal import MeshCore

/// Reads RocksDB's write-ahead logs as far as is needed to tell a torn tail from damage.
///
/// A log is made of blocks of 32 KiB; a record is one fragment, or several in consecutive blocks. A fragment is: checksum
/// u32, length u16, type u8, payload, all little-endian; the checksum is a masked CRC32C of type and payload. Where the disk
/// was torn no later write can have been made durable, so no record begins after the place; where bits rotted, others do.
enum TornTail {
    enum Verdict: Hashable, Sendable {
        case sound
        /// From here on there is nothing that a record begins with.
        case torn(file: String, offset: Int)
        /// A bad record, and a good one after it.
        case damaged(file: String, offset: Int)
    }

    private static let blockBytes = 32 << 10
    private static let headerBytes = 7
    private static let fileBytesMax = 4 << 30

    /// The number of a write-ahead log, from its name.
    static func number(ofLog name: String) -> UInt64? {
        name.hasSuffix(".log") ? UInt64(name.dropLast(4)) : nil
    }

    static func judge(_ folder: String) throws(StorageError) -> Verdict {
        let logs = try fileNames(in: folder).compactMap { name in self.number(ofLog: name).map { ($0, name) } }
        var found: (file: String, offset: Int)?
        for (_, name) in logs.sorted(by: { $0.0 < $1.0 }) {
            guard let bytes = try SmallFile.read("\(folder)/\(name)", limit: self.fileBytesMax) else { continue }
            if let (file, offset) = found {
                // Whatever a later log holds was written after the bad place.
                if self.firstStart(in: bytes.raw, from: 0) != nil { return .damaged(file: file, offset: offset) }
                continue
            }
            guard let offset = self.firstBad(in: bytes.raw) else { continue }
            found = (name, offset)
            if self.firstStart(in: bytes.raw, from: offset + 1) != nil { return .damaged(file: name, offset: offset) }
        }
        return found.map { .torn(file: $0.file, offset: $0.offset) } ?? .sound
    }

    /// Where the first fragment is that is not what was written.
    private static func firstBad(in log: RawSpan) -> Int? {
        var offset = 0
        while offset < log.byteCount {
            let room = self.blockBytes - offset % self.blockBytes
            guard room >= self.headerBytes else {
                offset += room
                continue
            }
            guard let fragment = self.fragment(in: log, at: offset) else { return offset }
            offset += fragment.bytes
        }
        return nil
    }

    /// Where the next record begins, at `start` or later. The rest of a block is searched byte by byte, because the length
    /// of what is bad there says nothing.
    private static func firstStart(in log: RawSpan, from start: Int) -> Int? {
        var offset = start
        while offset < log.byteCount {
            if let fragment = self.fragment(in: log, at: offset), fragment.beginsRecord { return offset }
            offset += 1
        }
        return nil
    }

    private static func fragment(in log: RawSpan, at offset: Int) -> (bytes: Int, beginsRecord: Bool)? {
        let room = min(self.blockBytes - offset % self.blockBytes, log.byteCount - offset)
        guard room >= self.headerBytes else { return nil }
        let checksum = unsafe UInt32(littleEndian: log.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let length = unsafe Int(
            UInt16(littleEndian: log.unsafeLoadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)))
        let type = unsafe log.unsafeLoad(fromByteOffset: offset + 6, as: UInt8.self)
        // 1 a whole record, 2 the first of several fragments, 3 one in the middle, 4 the last.
        guard 1...4 ~= type, self.headerBytes + length <= room else { return nil }
        let covered = log.extracting(offset + 6..<offset + self.headerBytes + length)
        guard masked(crc32c(covered)) == checksum else { return nil }
        return (self.headerBytes + length, type <= 2)
    }
}

/// RocksDB stores checksums turned and shifted, so that a checksum of bytes that hold checksums still means something.
private func masked(_ crc: UInt32) -> UInt32 { (crc >> 15 | crc << 17) &+ 0xA282_EAD8 }

private let crcTable: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
}

private func crc32c(_ bytes: RawSpan) -> UInt32 {
    var crc = ~UInt32(0)
    for offset in 0..<bytes.byteCount {
        let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        crc = crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8
    }
    return ~crc
}
