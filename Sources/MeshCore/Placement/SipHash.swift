/// SipHash-2-4 with a 64-bit result (Aumasson and Bernstein 2012): keyed, so nobody outside can aim at one partition.
package func sipHash24(_ bytes: some Sequence<UInt8>, key: (UInt64, UInt64)) -> UInt64 {
    var state = SipState(key: key)
    var word: UInt64 = 0
    var count: UInt64 = 0
    for byte in bytes {
        word |= UInt64(byte) << (8 * (count & 7))
        count &+= 1
        if count & 7 == 0 {
            state.absorb(word)
            word = 0
        }
    }
    state.absorb(word | (count << 56))
    return state.finish()
}

/// SipHash-2-4 of whole 64-bit words, as if written little-endian.
package func sipHash24(words first: UInt64, _ second: UInt64, key: (UInt64, UInt64)) -> UInt64 {
    var state = SipState(key: key)
    state.absorb(first)
    state.absorb(second)
    state.absorb(16 << 56)
    return state.finish()
}

private struct SipState {
    var v0, v1, v2, v3: UInt64

    init(key: (UInt64, UInt64)) {
        self.v0 = key.0 ^ 0x736f_6d65_7073_6575
        self.v1 = key.1 ^ 0x646f_7261_6e64_6f6d
        self.v2 = key.0 ^ 0x6c79_6765_6e65_7261
        self.v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    mutating func absorb(_ word: UInt64) {
        self.v3 ^= word
        self.round()
        self.round()
        self.v0 ^= word
    }

    mutating func finish() -> UInt64 {
        self.v2 ^= 0xff
        for _ in 0..<4 { self.round() }
        return self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    private mutating func round() {
        self.v0 &+= self.v1
        self.v1 = self.v1.rotatedLeft(13) ^ self.v0
        self.v0 = self.v0.rotatedLeft(32)
        self.v2 &+= self.v3
        self.v3 = self.v3.rotatedLeft(16) ^ self.v2
        self.v0 &+= self.v3
        self.v3 = self.v3.rotatedLeft(21) ^ self.v0
        self.v2 &+= self.v1
        self.v1 = self.v1.rotatedLeft(17) ^ self.v2
        self.v2 = self.v2.rotatedLeft(32)
    }
}

extension UInt64 {
    fileprivate func rotatedLeft(_ bits: UInt64) -> UInt64 { self << bits | self >> (64 - bits) }
}
