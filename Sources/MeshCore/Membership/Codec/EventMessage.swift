extension UserEvent {
    package static let nameBytesMax = 64

    /// Says what does not fit, before the event is raised.
    package static func validate(name: String, payload: [UInt8]) throws(MeshError) {
        guard !name.isEmpty, name.utf8.count <= Self.nameBytesMax else {
            throw MeshError(.invalidArgument, "an event's name has 1 to \(Self.nameBytesMax) bytes")
        }
        guard payload.count <= Self.payloadBytesMax else {
            throw MeshError(
                .tooLarge, "an event's payload has at most \(Self.payloadBytesMax) bytes, this one \(payload.count)",
                hint: "send a message to an actor instead")
        }
    }

    package var byteCount: Int { 1 + 16 + 8 + 4 + 1 + self.name.utf8.count + 2 + self.payload.count }
}

/// Which event it is: enough to know it again.
struct EventHeader: Hashable, Sendable {
    var origin: NodeID
    var bootEpoch: UInt64
    var sequence: UInt32
}

extension WireReader {
    package mutating func event() throws(WireError) -> UserEvent { try self.eventBody(of: try self.eventHeader()) }

    mutating func eventHeader() throws(WireError) -> EventHeader {
        EventHeader(origin: try self.nodeID(), bootEpoch: try self.read(), sequence: try self.read())
    }

    mutating func eventBody(of header: EventHeader) throws(WireError) -> UserEvent {
        var place = self.offset
        let name = try self.shortText()
        guard name.utf8.count <= UserEvent.nameBytesMax, !name.isEmpty else { throw WireError(.tooLong, at: place) }
        place = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= UserEvent.payloadBytesMax else { throw WireError(.tooLong, at: place) }
        return UserEvent(
            origin: header.origin, bootEpoch: header.bootEpoch, sequence: header.sequence, name: name,
            payload: try self.array(count))
    }

    /// Most events that arrive are known already: those are not copied.
    mutating func skipEventBody() throws(WireError) {
        _ = try self.span(Int(try self.read(UInt8.self)))
        _ = try self.span(Int(try self.read(UInt16.self)))
    }
}

extension WireWriter {
    package mutating func write(_ event: UserEvent) {
        self.write(MessageKind.event)
        self.write(event.origin)
        self.write(event.bootEpoch)
        self.write(event.sequence)
        self.write(shortText: event.name)
        self.write(UInt16(event.payload.count))
        self.bytes.append(contentsOf: event.payload)
    }
}
