import MeshCore
import Testing

@Suite("Membership codec")
struct CodecTests {
    private static let id = NodeID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
    private static let other = NodeID(high: .max, low: 1)

    /// Reads after the kind, and refuses every truncation.
    private func check<Value: Equatable>(
        _ value: Value, _ write: (inout WireWriter) -> Void,
        _ read: (inout WireReader, MessageKind) throws(WireError) -> Value
    ) throws {
        var writer = WireWriter()
        write(&writer)
        var reader = WireReader(writer.bytes.raw)
        let kind = try reader.messageKind()
        let copy = try read(&reader, kind)
        let isAtEnd = reader.isAtEnd
        #expect(copy == value)
        #expect(isAtEnd)
        for count in 1..<writer.count {
            let part = Array(writer.bytes.prefix(count))
            var reader = WireReader(part.raw)
            _ = try reader.messageKind()
            var code: WireError.Code?
            do throws(WireError) { _ = try read(&reader, kind) } catch { code = error.code }
            #expect(code == .truncated)
        }
    }

    @Test("a header survives its journey, and another version is refused before anything else is read")
    func header() throws {
        let header = PacketHeader(version: 1, sender: Self.id, senderEpoch: 7, receiverEpoch: 0, counter: .max)
        var writer = WireWriter()
        writer.write(header)
        #expect(writer.count == PacketHeader.byteCount)
        var reader = WireReader(writer.bytes.raw)
        let copy = try reader.packetHeader(spoken: 1...1)
        #expect(copy == header)
        var foreign: [UInt8] = [2]
        var code: WireError.Code?
        for _ in 0..<2 {
            var reader = WireReader(foreign.raw)
            do throws(WireError) { _ = try reader.packetHeader(spoken: 1...1) } catch { code = error.code }
            #expect(code == .unsupportedVersion)
            foreign[0] = 0
        }
    }

    @Test("pings and requests survive their journey; every truncation is refused")
    func probes() throws {
        let ping = Ping(sequence: 0xDEAD_BEEF, target: Self.id)
        try self.check(ping, { $0.write(ping) }, { reader, _ throws(WireError) in try reader.ping() })
        let request = PingRequest(sequence: 1, target: Self.id, timeout: 500)
        try self.check(request, { $0.write(request) }, { reader, _ throws(WireError) in try reader.pingRequest() })
    }

    @Test("claims survive their journey; every truncation is refused", arguments: [MemberState.suspect, .dead, .left])
    func claims(state: MemberState) throws {
        for hard in state == .left ? [false] : [false, true] {
            let claim = Claim(
                state: state, id: Self.id, epoch: 3, incarnation: Incarnation.highest,
                accuser: state == .left ? Self.id : Self.other, hardEvidence: hard)
            try self.check(claim, { $0.write(claim) }, { reader, kind throws(WireError) in try reader.claim(kind) })
        }
    }

    @Test("capabilities survive their journey, withdrawn ones too", arguments: ["24GiB", "", nil])
    func capabilities(value: String?) throws {
        let field = CapabilityField(key: "gpu.memory.free", value: value, version: 9)
        try self.check(
            field, { $0.write(field, of: Self.id, epoch: 4) },
            { reader, _ throws(WireError) in
                let header = try reader.capabilityHeader()
                let key = try reader.capabilityKey()
                return try reader.capability(header, key: key)
            })
    }

    @Test("events survive their journey, up to the largest", arguments: [0, 1, UserEvent.payloadBytesMax])
    func events(count: Int) throws {
        let event = UserEvent(
            origin: Self.id, bootEpoch: 1, sequence: 5, name: "deploy", payload: Array(repeating: 0xAA, count: count))
        try self.check(event, { $0.write(event) }, { reader, _ throws(WireError) in try reader.event() })
    }

    @Test("what is over a limit is refused: event payloads, field keys, flags")
    func limits() {
        var writer = WireWriter()
        writer.write(
            UserEvent(
                origin: Self.id, bootEpoch: 1, sequence: 5, name: "x",
                payload: Array(repeating: 0, count: UserEvent.payloadBytesMax + 1)))
        let eventCode = self.refusal(of: writer.bytes) { reader throws(WireError) in _ = try reader.event() }
        #expect(eventCode == .tooLong)

        writer = WireWriter()
        let key = String(repeating: "k", count: CapabilityField.keyBytesMax + 1)
        writer.write(CapabilityField(key: key, value: "v", version: 1), of: Self.id, epoch: 1)
        let keyCode = self.refusal(of: writer.bytes) { reader throws(WireError) in
            _ = try reader.capabilityHeader()
            _ = try reader.capabilityKey()
        }
        #expect(keyCode == .tooLong)

        writer = WireWriter()
        writer.write(Claim(state: .dead, id: Self.id, epoch: 1, incarnation: 0, accuser: Self.other))
        writer.bytes[writer.count - 1] = 2
        let flagsCode = self.refusal(of: writer.bytes) { reader throws(WireError) in _ = try reader.claim(.dead) }
        #expect(flagsCode == .invalidValue)
    }

    private func refusal(
        of bytes: [UInt8], _ read: (inout WireReader) throws(WireError) -> Void
    ) -> WireError.Code? {
        var reader = WireReader(bytes.raw)
        do throws(WireError) {
            _ = try reader.messageKind()
            try read(&reader)
        } catch { return error.code }
        return nil
    }

    @Test("unknown kinds are refused", arguments: [0, 7, 15, 22, 31, 37, 255] as [UInt8])
    func kinds(kind: UInt8) {
        let code = self.refusal(of: [kind]) { _ throws(WireError) in }
        #expect(code == .unknownKind)
    }

    @Test("labels are limited as a whole, each text by its length byte, and tags by their keys")
    func descriptions() throws {
        var description = TestMesh.description(1)
        try description.validate()
        description.tags = [
            Label("a", String(repeating: "x", count: 250)), Label("b", String(repeating: "y", count: 220)),
        ]
        try description.validate()
        description.tags[1].value += String(repeating: "y", count: 36)
        #expect(throws: MeshError.self) { try description.validate() }
        description.tags = [Label("a", String(repeating: "x", count: 256))]
        #expect(throws: MeshError.self) { try description.validate() }
        description.tags = [Label("a", "1"), Label("a", "2")]
        #expect(throws: MeshError.self) { try description.validate() }
    }
}
