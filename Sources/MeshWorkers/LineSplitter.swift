/// Cuts a stream of bytes into lines of bounded length; what is longer is cut short and says so.
package struct LineSplitter: Sendable {
    package struct Line: Hashable, Sendable {
        /// Without the line break.
        package var bytes: [UInt8]
        package var isCut: Bool
    }

    private let lineBytesMax: Int
    private var pending = Line(bytes: [], isCut: false)

    package init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

    /// The lines that end in `bytes`. A line that grows too long is given out at once, cut; its rest is passed over.
    package mutating func add(_ bytes: RawSpan) -> [Line] {
        var lines: [Line] = []
        for index in bytes.byteOffsets {
            let byte = unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
            if byte == UInt8(ascii: "\n") {
                if self.pending.bytes.last == UInt8(ascii: "\r") { self.pending.bytes.removeLast() }
                if !self.pending.isCut { lines.append(self.pending) }
                self.pending = Line(bytes: [], isCut: false)
            } else if self.pending.isCut {
                continue
            } else if self.pending.bytes.count < self.lineBytesMax {
                self.pending.bytes.append(byte)
            } else {
                self.pending.isCut = true
                lines.append(self.pending)
                self.pending.bytes = []
            }
        }
        return lines
    }
}
