package import MeshCore
package import NIOCore

/// A frame as bytes of a lane: u32 length of the body, kind, flags, u64 correlation, body.
enum FrameCodec {
    static let headerBytes = PeerFrame.headerBytes
    static let compressedFlag: UInt8 = 1
    /// Smaller bodies gain too little.
    static let compressFrom = 1024

    /// The frame is one that `Outboxes` takes.
    static func encode(_ frame: PeerFrame, with compressor: borrowing LZ4) -> [UInt8] {
        precondition(
            frame.body.count + Self.headerBytes <= PeerFrame.bytesMax, "a frame of \(frame.body.count) bytes")
        let deflated = Self.deflate(frame.body, with: compressor)
        let body = deflated ?? frame.body
        var writer = WireWriter()
        writer.bytes.reserveCapacity(Self.headerBytes + body.count)
        writer.write(UInt32(body.count))
        writer.write(frame.kind.rawValue)
        writer.write(deflated == nil ? 0 : Self.compressedFlag)
        writer.write(frame.correlation)
        writer.bytes += body
        return writer.bytes
    }

    /// u32 size and the LZ4 block, or nil if that would not be smaller.
    private static func deflate(_ body: [UInt8], with compressor: borrowing LZ4) -> [UInt8]? {
        guard body.count >= Self.compressFrom else { return nil }
        let capacity = body.count - 5
        var isSmaller = false
        let block = unsafe [UInt8](unsafeUninitializedCapacity: capacity + 4) { out, count in
            guard let start = out.baseAddress else { return }
            unsafe body.withUnsafeBufferPointer { body in
                guard let source = body.baseAddress else { return }
                let written = unsafe compressor.compress(
                    source, count: body.count, into: start + 4, capacity: capacity)
                guard let written else { return }
                let size = UInt32(body.count).bigEndian
                unsafe UnsafeMutableRawPointer(start).storeBytes(of: size, as: UInt32.self)
                isSmaller = true
                count = written + 4
            }
        }
        return isSmaller ? block : nil
    }

    static func inflate(_ body: [UInt8]) throws(StreamRefusal) -> [UInt8] {
        guard body.count > 4 else { throw .undecompressable }
        let size = Int(body[..<4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) })
        guard size <= PeerFrame.bytesMax else { throw .tooLong }
        var isWhole = false
        let inflated = unsafe [UInt8](unsafeUninitializedCapacity: size) { out, count in
            guard let start = out.baseAddress else { return }
            isWhole = unsafe body.withUnsafeBufferPointer { body in
                guard let source = body.baseAddress else { return false }
                return unsafe LZ4.decompress(source + 4, count: body.count - 4, into: start, size: size)
            }
            count = isWhole ? size : 0
        }
        guard isWhole else { throw .undecompressable }
        return inflated
    }
}

/// Puts frames together from the pieces of one lane. Holds at most one frame and one record.
package struct FrameAssembler: Sendable {
    private var pending: [UInt8] = []

    package init() {}

    package mutating func append(_ piece: UnsafeRawBufferPointer) throws(StreamRefusal) -> [PeerFrame] {
        unsafe self.pending.append(contentsOf: piece)
        var frames: [PeerFrame] = []
        var offset = 0
        while let length = try self.next(at: offset, into: &frames) { offset += length }
        if offset > 0 { self.pending.removeFirst(offset) }
        return frames
    }

    /// The length of the frame at `offset`, or nil if it is not all there. Refused as soon as its header is.
    private func next(at offset: Int, into frames: inout [PeerFrame]) throws(StreamRefusal) -> Int? {
        guard self.pending.count - offset >= FrameCodec.headerBytes else { return nil }
        do {
            var reader = WireReader(self.pending.raw.extracting(offset..<self.pending.count))
            let count = Int(try reader.read(UInt32.self))
            guard count + FrameCodec.headerBytes <= PeerFrame.bytesMax else { throw StreamRefusal.tooLong }
            let kind = PeerFrame.Kind(rawValue: try reader.read(UInt8.self))
            let flags = try reader.read(UInt8.self)
            guard let kind, flags & ~FrameCodec.compressedFlag == 0 else { throw StreamRefusal.malformed }
            let correlation = try reader.read(UInt64.self)
            guard reader.remaining >= count else { return nil }
            let body = try reader.array(count)
            frames.append(
                PeerFrame(
                    kind: kind, correlation: correlation,
                    body: flags & FrameCodec.compressedFlag != 0 ? try FrameCodec.inflate(body) : body))
            return FrameCodec.headerBytes + count
        } catch let refusal as StreamRefusal {
            throw refusal
        } catch {
            throw .malformed
        }
    }
}

/// Cuts the frames of one lane into pieces that fit records.
package struct FrameSplitter: Sendable {
    private var current: [UInt8] = []
    private var offset = 0

    package init() {}

    package var isEmpty: Bool { self.offset == self.current.count }

    /// Fills a record as far as `next` has frames; returns the bytes written.
    @discardableResult
    package mutating func fill(
        _ out: inout ByteBuffer, limit: Int, with compressor: borrowing LZ4, next: () -> PeerFrame?
    ) -> Int {
        var written = 0
        while written < limit {
            if self.isEmpty {
                guard let frame = next() else { break }
                self.current = FrameCodec.encode(frame, with: compressor)
                self.offset = 0
            }
            let count = min(limit - written, self.current.count - self.offset)
            out.writeBytes(self.current[self.offset..<self.offset + count])
            self.offset += count
            written += count
        }
        if self.isEmpty {
            self.current = []
            self.offset = 0
        }
        return written
    }
}
