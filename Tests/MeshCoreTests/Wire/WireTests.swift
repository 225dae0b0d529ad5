import MeshCore
import Testing

@Suite("Wire")
struct WireTests {
    private var sample: [UInt8] {
        var writer = WireWriter()
        writer.write(UInt16(0xBEEF))
        writer.write(NodeID(high: 1, low: 2))
        writer.write(Endpoint(ipv4: 0x7f00_0001, port: 7946))
        writer.write(shortText: "zone")
        writer.write(text: "naïve")
        writer.write(bytes: [1, 2, 3])
        return writer.bytes
    }

    private func readAll(_ bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        #expect(try reader.read(UInt16.self) == 0xBEEF)
        #expect(try reader.nodeID() == NodeID(high: 1, low: 2))
        #expect(try reader.endpoint() == Endpoint(ipv4: 0x7f00_0001, port: 7946))
        #expect(try reader.shortText() == "zone")
        #expect(try reader.text(limit: 16) == "naïve")
        #expect(try reader.bytes(limit: 16) == [1, 2, 3])
        try reader.end()
    }

    @Test("what is written is read back")
    func roundTrip() throws { try self.readAll(self.sample) }

    @Test("integers are big-endian")
    func byteOrder() { #expect(Array(self.sample.prefix(2)) == [0xBE, 0xEF]) }

    @Test("every cut is refused as truncated, and nothing crashes")
    func truncation() {
        let whole = self.sample
        for count in whole.indices {
            let error = #expect(throws: WireError.self) { try self.readAll(Array(whole[..<count])) }
            #expect(error?.code == .truncated)
        }
    }

    @Test("bytes left over are refused")
    func trailing() {
        let error = #expect(throws: WireError.self) { try self.readAll(self.sample + [0]) }
        #expect(error == WireError(.trailingBytes, at: self.sample.count))
    }

    @Test("a length past its limit is refused before it is used")
    func limits() {
        let error = #expect(throws: WireError.self) {
            let bytes: [UInt8] = [0xff, 0xff, 0xff, 0xff]
            var reader = WireReader(bytes.raw)
            _ = try reader.bytes(limit: 8)
        }
        #expect(error == WireError(.tooLong, at: 0))
    }

    @Test("text that is not UTF-8 is refused")
    func text() {
        let error = #expect(throws: WireError.self) {
            let bytes: [UInt8] = [2, 0xc3, 0x28]
            var reader = WireReader(bytes.raw)
            _ = try reader.shortText()
        }
        #expect(error == WireError(.invalidText, at: 1))
    }
}
