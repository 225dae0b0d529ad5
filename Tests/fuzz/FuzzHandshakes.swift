import MeshCore

@testable import MeshTransport

private let keys = MeshKeys.generate()
private let cluster = ClusterID.random()

private func context(_ node: UInt64) -> StreamContext {
    StreamContext(
        identity: .generate(), cluster: cluster, keys: keys,
        hello: Hello(
            boot: Boot(epoch: node, nonce: node), endpoint: Endpoint(ipv4: 0x7F00_0001, port: UInt16(node))))
}

private let (here, there) = (context(1), context(2))

/// The three packets of a handshake: any bytes in place of each, and each with one place changed.
@Sendable func fuzzHandshakes(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    switch input.byte() % 8 {
    case 0, 1, 2:
        var responder = ResponderHandshake(here)
        let answer = try? responder.first(input.rest())
        require(answer == nil, "a stranger's first packet was answered")
    case 3:
        var initiator = InitiatorHandshake(there)
        _ = try? initiator.first()
        require((try? initiator.second(input.rest())) == nil, "a stranger was taken for a responder")
    case 4:
        var (initiator, responder) = (InitiatorHandshake(there), ResponderHandshake(here))
        guard let first = try? initiator.first() else { return }
        require((try? responder.first(first)) != nil, "an honest first packet was refused")
        require((try? responder.third(input.rest())) == nil, "a stranger was taken for an initiator")
    case 5:
        do {
            let hello = try Hello(decoding: input.rest())
            let again = try Hello(decoding: hello.encoded)
            require(again == hello, "\(hello) came back as \(again)")
        } catch {}
    default: damaged(&input)
    }
}

private func damaged(_ input: inout FuzzInput) {
    let (which, place, flip) = (input.byte() % 3, Int(input.byte()), input.byte())
    func pass(_ packet: [UInt8], _ number: UInt8) -> [UInt8] {
        guard number == which else { return packet }
        var packet = packet
        packet[place % packet.count] ^= flip
        return packet
    }
    var (initiator, responder) = (InitiatorHandshake(there), ResponderHandshake(here))
    do {
        let second = try responder.first(pass(try initiator.first(), 0))
        let (third, peer) = try initiator.second(pass(second, 1))
        let secured = try responder.third(pass(third, 2))
        require(flip == 0, "a handshake with a changed packet \(which) at \(place) succeeded")
        require(peer.id == here.identity.id && secured.id == there.identity.id, "another peer than the one that spoke")
    } catch {
        require(flip != 0, "an honest handshake failed: \(error)")
    }
}
