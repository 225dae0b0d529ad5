import MeshCore
import NIOCore

@testable import MeshRuntime
@testable import MeshTransport

// libFuzzer calls from one thread.
nonisolated(unsafe) private let compressor = LZ4()

private let keyring = MeshKeys.generate()

/// What a peer whose key is proven can send: records, lanes cut anywhere, frames and their bodies.
@Sendable func fuzzFrames(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    switch input.byte() % 3 {
    case 0: records(&input)
    case 1: lanes(&input)
    default:
        guard let kind = PeerFrame.Kind(rawValue: input.byte() % 16) else { return }
        body(kind, input.rest())
    }
}

/// Sealed as by the peer, whatever the plaintext.
private func records(_ input: inout FuzzInput) {
    let key = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    var sealing = CipherState(key: key)
    var opener = RecordOpener(CipherState(key: key))
    for _ in 0..<16 where !input.isAtEnd {
        let plaintext = input.run()
        var record = plaintext + [UInt8](repeating: 0, count: CipherState.tagBytes)
        unsafe record.withUnsafeMutableBufferPointer { record in
            guard let start = record.baseAddress else { return }
            unsafe sealing.seal(start, count: plaintext.count)
        }
        if plaintext.first == RecordKind.rekey.rawValue { sealing.rekey() }
        let content = unsafe record.withUnsafeMutableBytes { record in
            Result { () throws(StreamRefusal) in unsafe try opener.open(record) }
        }
        guard case .success = content else { return }
    }
}

/// The same frames come of a lane however it is cut, and each is what its sender would write.
private func lanes(_ input: inout FuzzInput) {
    let cut = Int(input.byte()) + 1
    let lane = input.rest()
    let (whole, cutUp) = (frames(of: lane, inPiecesOf: lane.count), frames(of: lane, inPiecesOf: cut))
    require((whole == nil) == (cutUp == nil), "a lane in pieces of \(cut) is refused, or is not, unlike the whole")
    guard let whole, let cutUp else { return }
    require(whole == cutUp, "\(whole) in one piece and \(cutUp) in pieces of \(cut)")
    for frame in whole {
        require(frame.body.count <= PeerFrame.bytesMax, "a frame of \(frame.body.count) bytes")
        guard frame.body.count + PeerFrame.headerBytes <= PeerFrame.bytesMax else { continue }
        let again = frames(of: unsafe FrameCodec.encode(frame, with: compressor), inPiecesOf: 1 << 16)
        require(again == [frame], "a frame came back as another")
    }
}

/// nil: the lane is refused.
private func frames(of lane: [UInt8], inPiecesOf count: Int) -> [PeerFrame]? {
    var assembler = FrameAssembler()
    var frames: [PeerFrame] = []
    var rest = lane[...]
    do {
        while !rest.isEmpty {
            frames += try unsafe rest.prefix(count).withUnsafeBytes { piece throws(StreamRefusal) in
                try unsafe assembler.append(piece)
            }
            rest = rest.dropFirst(count)
        }
    } catch { return nil }
    return frames
}

/// Decoded, encoded and decoded again, a body is the same.
private func body(_ kind: PeerFrame.Kind, _ bytes: [UInt8]) {
    switch kind {
    case .query:
        guard let frame = try? QueryFrame(decoding: bytes) else { return }
        require((try? QueryFrame(decoding: frame.encoded())) == frame, "\(frame) came back as another")
    case .diagnosis:
        guard let frame = try? DiagnosisFrame(decoding: bytes) else { return }
        require(frame.encoded() == bytes, "a question about the way has two spellings")
    case .answer:
        if let page = try? EventJournal.Page(decodingLogs: bytes) {
            let again = try? EventJournal.Page(decodingLogs: page.encodedLogs())
            require(again?.encodedLogs() == page.encodedLogs(), "log lines came back as others")
        }
        guard let listing = try? ActorListing(decoding: bytes, node: "n") else { return }
        let again = try? ActorListing(decoding: listing.encoded(), node: "n")
        require(again?.encoded() == listing.encoded(), "a listing came back as another")
    case .definitions:
        guard let frame = try? DefinitionsFrame(decoding: bytes) else { return }
        let again = try? DefinitionsFrame(decoding: frame.encoded())
        require(again == frame, "\(frame) came back as \(String(describing: again))")
        if case .entries(let entries) = frame {
            var table = DefinitionTable()
            _ = table.merge(entries)
            _ = table.merge(entries)
        }
    case .keyring:
        guard let frame = try? KeyFrame(decoding: bytes) else { return }
        let again = try? KeyFrame(decoding: frame.encoded())
        require(again?.encoded() == frame.encoded(), "a keyring came back as another")
        var keys = keyring
        guard (try? keys.merge(frame.table)) != nil else { return }
        let merged = keys.ring
        // Whatever was told, there is a key to seal with, and telling it again changes nothing.
        _ = keys.primary
        require((try? keys.merge(frame.table)) != nil && keys.ring == merged, "a keyring merged twice is another")
    case .heartbeat:
        guard let frame = try? HeartbeatFrame(decoding: bytes) else { return }
        require(frame.encoded() == bytes, "a heartbeat has two spellings")
    case .consensus, .snapshot:
        guard let frame = try? ConsensusFrame(decoding: bytes) else { return }
        for message in frame.messages {
            var writer = WireWriter()
            writer.write(message)
            var reader = WireReader(writer.bytes.raw)
            require((try? reader.raftMessage()) == message, "\(message) came back as another")
        }
    case .partition:
        guard let frame = try? PartitionFrame(decoding: bytes, at: 0) else { return }
        let again = try? PartitionFrame(decoding: frame.encoded(at: 0), at: 0)
        require(again == frame, "\(frame) came back as \(String(describing: again))")
    case .placement:
        guard let frame = try? PlacementFrame(decoding: bytes) else { return }
        let again = try? PlacementFrame(decoding: frame.encoded())
        require(again == frame, "\(frame) came back as \(String(describing: again))")
    case .hosting:
        guard let (partition, frame) = try? HostFrame.decode(bytes) else { return }
        let again = try? HostFrame.decode(frame.encoded(of: partition))
        require(again?.1 == frame, "\(frame) came back as \(String(describing: again))")
    case .membership: break
    }
}
