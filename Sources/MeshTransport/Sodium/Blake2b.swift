internal import CSodium

/// BLAKE2b-512 (RFC 7693), and HMAC and HKDF over it as the Noise framework defines them (revision 34, section 4.3).
package enum Blake2b {
    static let hashBytes = 64
    private static let blockBytes = 128

    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        startSodium()
        var out = [UInt8](repeating: 0, count: Self.hashBytes)
        unsafe crypto_generichash_blake2b(&out, Self.hashBytes, bytes, UInt64(bytes.count), nil, 0)
        return out
    }

    static func hash(_ secret: SecretBytes) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: Self.hashBytes)
        unsafe secret.withUnsafeBytes {
            _ = unsafe crypto_generichash_blake2b(&out, Self.hashBytes, $0, UInt64(secret.count), nil, 0)
        }
        return out
    }

    /// A keyed hash of 16 bytes: a MAC.
    static func tag(_ bytes: [UInt8], key: SecretBytes) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 16)
        unsafe key.withUnsafeBytes {
            _ = unsafe crypto_generichash_blake2b(&out, out.count, bytes, UInt64(bytes.count), $0, key.count)
        }
        return out
    }

    /// HKDF with two outputs of 64 bytes, as Noise wants them.
    static func hkdf2(_ chainingKey: SecretBytes, _ input: SecretBytes) -> (SecretBytes, SecretBytes) {
        let extracted = unsafe input.withUnsafeBytes {
            unsafe hmac(key: chainingKey, UnsafeBufferPointer(start: $0, count: input.count))
        }
        return expand2(extracted)
    }

    /// The same for an input that is no secret; empty when a handshake ends.
    static func hkdf2(_ chainingKey: SecretBytes, _ input: [UInt8]) -> (SecretBytes, SecretBytes) {
        expand2(unsafe input.withUnsafeBufferPointer { unsafe hmac(key: chainingKey, $0) })
    }

    static func hkdf3(_ chainingKey: SecretBytes, _ input: SecretBytes) -> (SecretBytes, SecretBytes, SecretBytes) {
        let extracted = unsafe input.withUnsafeBytes {
            unsafe hmac(key: chainingKey, UnsafeBufferPointer(start: $0, count: input.count))
        }
        let first = expand(extracted, after: nil, 1)
        let second = expand(extracted, after: first, 2)
        return (first, second, expand(extracted, after: second, 3))
    }

    private static func expand2(_ extracted: SecretBytes) -> (SecretBytes, SecretBytes) {
        let first = expand(extracted, after: nil, 1)
        return (first, expand(extracted, after: first, 2))
    }

    private static func expand(_ extracted: SecretBytes, after previous: SecretBytes?, _ step: UInt8) -> SecretBytes {
        let length = (previous?.count ?? 0) + 1
        let input = unsafe SecretBytes(count: length) { out in
            if let previous {
                unsafe previous.withUnsafeBytes { unsafe out.update(from: $0, count: previous.count) }
            }
            unsafe out[length - 1] = step
        }
        return unsafe input.withUnsafeBytes {
            unsafe hmac(key: extracted, UnsafeBufferPointer(start: $0, count: length))
        }
    }

    /// RFC 2104 with a block of 128 bytes; every key here is at most one hash long.
    private static func hmac(key: SecretBytes, _ data: UnsafeBufferPointer<UInt8>) -> SecretBytes {
        let inner = unsafe Self.digest(key, padded: 0x36, data)
        return unsafe inner.withUnsafeBytes {
            unsafe Self.digest(key, padded: 0x5c, UnsafeBufferPointer(start: $0, count: Self.hashBytes))
        }
    }

    /// Hash of the padded key and `data`, put together in locked memory.
    private static func digest(
        _ key: SecretBytes, padded mask: UInt8, _ data: UnsafeBufferPointer<UInt8>
    ) -> SecretBytes {
        precondition(key.count <= Self.blockBytes, "an HMAC key of \(key.count) bytes")
        let input = unsafe SecretBytes(count: Self.blockBytes + data.count) { out in
            unsafe key.withUnsafeBytes { unsafe out.update(from: $0, count: key.count) }
            for index in 0..<Self.blockBytes { unsafe out[index] ^= mask }
            for index in 0..<data.count { unsafe out[Self.blockBytes + index] = data[index] }
        }
        return unsafe SecretBytes(count: Self.hashBytes) { out in
            unsafe input.withUnsafeBytes {
                _ = unsafe crypto_generichash_blake2b(out, Self.hashBytes, $0, UInt64(input.count), nil, 0)
            }
        }
    }
}
