package import MeshCore
package import NIOCore

/// What the first byte of a record's plaintext says.
package enum RecordKind: UInt8, Sendable {
    /// A piece of the frames that must never wait: membership and keyring.
    case control = 0
    /// A piece of all other frames.
    case bulk = 1
    /// The responder's answer to the handshake: one byte, 0 or why not.
    case verdict = 2
    /// The sender's next record is sealed with the next key.
    case rekey = 3
    /// One byte: 1 if the sender wants this stream kept though it is idle.
    case keepalive = 4
    /// The sender closes on purpose; its end is no sign of death.
    case goodbye = 5
}

/// Seals records: u16 length, then the ciphertext of kind and content.
package struct RecordSealer: Sendable {
    /// Small enough that a control record waits less than a millisecond behind a bulk one on a gigabit link.
    package static let contentBytesMax = 32 << 10
    /// Long before the bounds of ChaCha20-Poly1305, and often enough that a stolen key tells little.
    static let rekeyBytes = 1 << 30
    package static let rekeyAfter = Duration.seconds(600)

    private var cipher: CipherState
    private var bytes = 0
    private var keyedAt: Instant

    package init(_ cipher: CipherState, at now: Instant) {
        self.cipher = cipher
        self.keyedAt = now
    }

    /// Appends one record whose content `fill` writes; nothing if it writes nothing and `kind` is for frames.
    package mutating func append(
        _ kind: RecordKind, to out: inout ByteBuffer, at now: Instant, content fill: (inout ByteBuffer) -> Void
    ) {
        if self.bytes >= Self.rekeyBytes || now - self.keyedAt >= Self.rekeyAfter {
            self.seal(.rekey, to: &out) { _ in }
            self.cipher.rekey()
            (self.bytes, self.keyedAt) = (0, now)
        }
        self.seal(kind, to: &out, content: fill)
    }

    private mutating func seal(_ kind: RecordKind, to out: inout ByteBuffer, content fill: (inout ByteBuffer) -> Void) {
        let lengthIndex = out.writerIndex
        out.writeInteger(0 as UInt16)
        let start = out.writerIndex
        out.writeInteger(kind.rawValue)
        fill(&out)
        let count = out.writerIndex - start
        precondition(count <= Self.contentBytesMax + 1, "a record of \(count) bytes")
        out.writeRepeatingByte(0, count: CipherState.tagBytes)
        let offset = start - out.readerIndex
        unsafe out.withUnsafeMutableReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe self.cipher.seal((base + offset).assumingMemoryBound(to: UInt8.self), count: count)
        }
        out.setInteger(UInt16(count + CipherState.tagBytes), at: lengthIndex)
        self.bytes += count
    }
}

/// Opens records and puts the frames of both lanes together again.
package struct RecordOpener: Sendable {
    package enum Content: Sendable {
        case frames([PeerFrame])
        case verdict(UInt8)
        case keepalive(isWanted: Bool)
        case goodbye
        case nothing
    }

    private var cipher: CipherState
    private var control = FrameAssembler()
    private var bulk = FrameAssembler()

    package init(_ cipher: CipherState) { self.cipher = cipher }

    /// `record` is a whole ciphertext, and is decrypted in place.
    package mutating func open(_ record: UnsafeMutableRawBufferPointer) throws(StreamRefusal) -> Content {
        guard record.count > CipherState.tagBytes, let base = record.baseAddress else { throw .malformed }
        let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
        guard unsafe self.cipher.open(bytes, count: record.count) else { throw .unauthentic }
        guard let kind = unsafe RecordKind(rawValue: bytes[0]) else { throw .malformed }
        let content = unsafe UnsafeRawBufferPointer(rebasing: record[1..<record.count - CipherState.tagBytes])
        switch kind {
        case .control: return .frames(try unsafe self.control.append(content))
        case .bulk: return .frames(try unsafe self.bulk.append(content))
        case .verdict:
            guard content.count == 1 else { throw .malformed }
            return unsafe .verdict(content[0])
        case .keepalive:
            guard content.count == 1 else { throw .malformed }
            return unsafe .keepalive(isWanted: content[0] & 1 == 1)
        case .goodbye: return .goodbye
        case .rekey:
            self.cipher.rekey()
            return .nothing
        }
    }
}
