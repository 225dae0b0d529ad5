/// XXH64 (Collet): not for secrets, against bytes that changed or came from another place.
///
/// RocksDB guards its blocks with checksums of 32 bits, which say that a block is what was written, not that it is the block
/// that was asked for. Ours cover where a record belongs as well.
package func xxHash64(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
    var offset = 0
    var hash: UInt64
    if bytes.byteCount >= 32 {
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1)
        while bytes.byteCount - offset >= 32 {
            lanes.0 = round(lanes.0, bytes.word(at: offset))
            lanes.1 = round(lanes.1, bytes.word(at: offset + 8))
            lanes.2 = round(lanes.2, bytes.word(at: offset + 16))
            lanes.3 = round(lanes.3, bytes.word(at: offset + 24))
            offset += 32
        }
        hash = lanes.0.rotated(1) &+ lanes.1.rotated(7) &+ lanes.2.rotated(12) &+ lanes.3.rotated(18)
        hash = merged(merged(merged(merged(hash, lanes.0), lanes.1), lanes.2), lanes.3)
    } else {
        hash = seed &+ prime5
    }
    hash &+= UInt64(bytes.byteCount)
    while bytes.byteCount - offset >= 8 {
        hash = (hash ^ round(0, bytes.word(at: offset))).rotated(27) &* prime1 &+ prime4
        offset += 8
    }
    if bytes.byteCount - offset >= 4 {
        let half = unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        hash = (hash ^ UInt64(half) &* prime1).rotated(23) &* prime2 &+ prime3
        offset += 4
    }
    while offset < bytes.byteCount {
        let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        hash = (hash ^ UInt64(byte) &* prime5).rotated(11) &* prime1
        offset += 1
    }
    hash = (hash ^ hash >> 33) &* prime2
    hash = (hash ^ hash >> 29) &* prime3
    return hash ^ hash >> 32
}

private let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
private let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
private let prime3: UInt64 = 0x1656_67B1_9E37_79F9
private let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
private let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

private func round(_ lane: UInt64, _ word: UInt64) -> UInt64 { (lane &+ word &* prime2).rotated(31) &* prime1 }

private func merged(_ hash: UInt64, _ lane: UInt64) -> UInt64 { (hash ^ round(0, lane)) &* prime1 &+ prime4 }

extension UInt64 {
    fileprivate func rotated(_ bits: UInt64) -> UInt64 { self << bits | self >> (64 - bits) }
}

extension RawSpan {
    fileprivate func word(at offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: self.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
