internal import MeshCore

/// A fingerprint of everything that happened, in order: two runs with one hash were the same run.
package struct Trace: Sendable {
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func record(_ words: UInt64...) {
        for word in words { self.mix(word) }
    }

    package mutating func record(_ bytes: [UInt8]) {
        self.mix(UInt64(bytes.count))
        let raw = bytes.raw
        var offset = 0
        while offset + 8 <= raw.byteCount {
            self.mix(unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        while offset < raw.byteCount {
            self.mix(UInt64(unsafe raw.unsafeLoad(fromByteOffset: offset, as: UInt8.self)))
            offset += 1
        }
    }

    /// One round of a multiply-rotate hash: it needs to be fast and to depend on order, nobody attacks it.
    private mutating func mix(_ word: UInt64) {
        let mixed = (self.hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        self.hash = mixed << 29 | mixed >> 35
    }
}
