/// What every datagram begins with, inside the seal.
package struct PacketHeader: Hashable, Sendable {
    package static let byteCount = 1 + 16 + 8 + 8 + 8

    package var version: UInt8
    package var sender: NodeID
    package var senderEpoch: UInt64
    /// 0: unknown.
    package var receiverEpoch: UInt64
    /// Counts the datagrams of one boot of the sender to this receiver, from 1, with gaps.
    package var counter: UInt64

    package init(version: UInt8, sender: NodeID, senderEpoch: UInt64, receiverEpoch: UInt64, counter: UInt64) {
        self.version = version
        self.sender = sender
        self.senderEpoch = senderEpoch
        self.receiverEpoch = receiverEpoch
        self.counter = counter
    }
}

extension WireReader {
    /// Refuses a version out of `spoken` before it looks at what only another version may mean.
    package mutating func packetHeader(spoken: ClosedRange<UInt8>) throws(WireError) -> PacketHeader {
        let version: UInt8 = try self.read()
        guard spoken.contains(version) else { throw WireError(.unsupportedVersion, at: 0) }
        return PacketHeader(
            version: version, sender: try self.nodeID(), senderEpoch: try self.read(), receiverEpoch: try self.read(),
            counter: try self.read())
    }
}

extension WireWriter {
    package mutating func write(_ header: PacketHeader) {
        self.write(header.version)
        self.write(header.sender)
        self.write(header.senderEpoch)
        self.write(header.receiverEpoch)
        self.write(header.counter)
    }
}
