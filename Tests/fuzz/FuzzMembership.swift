import MeshCore

private let memberCount = 4

private func description(_ node: Int, epoch: UInt64 = 3) -> MemberDescription {
    MemberDescription(
        id: NodeID(high: UInt64(node) &* 0x9E37_79B9_7F4A_7C15, low: UInt64(node)),
        boot: Boot(epoch: epoch, nonce: UInt64(node)), endpoint: Endpoint(ipv4: 0x0A00_0001 + UInt32(node), port: 7946),
        name: "node-\(node)", tags: [Label("team", "vision")])
}

/// A node that knows three others, made once; each input gets a copy.
private let acquainted: Membership = {
    var membership = Membership(
        local: description(0), configuration: .lan, seed: 7, at: Instant(nanoseconds: 1_000_000_000))
    var effects = Membership.Effects()
    for node in 1..<memberCount {
        var other = Membership(
            local: description(node), configuration: .lan, seed: 7, at: Instant(nanoseconds: 1_000_000_000))
        let (id, boot) = (description(node).id, description(node).boot)
        membership.step(
            .streamOpened(id, boot: boot, endpoint: description(node).endpoint),
            at: Instant(nanoseconds: 1_000_000_000), into: &effects)
        other.step(
            .streamOpened(description(0).id, boot: description(0).boot, endpoint: description(0).endpoint),
            at: Instant(nanoseconds: 1_000_000_000), into: &effects)
        effects.clear()
        other.step(.exchange(description(0).id), at: Instant(nanoseconds: 1_000_000_000), into: &effects)
        for case .stream(_, _, let range) in effects.list {
            var ignored = Membership.Effects()
            membership.receive(
                frame: effects.bytes.raw.extracting(range), from: id, at: Instant(nanoseconds: 1_000_000_000),
                into: &ignored)
        }
    }
    return membership
}()

/// A script of what members, strangers and time do to a node: everything in it is rightly sealed, and nothing of it honest.
@Sendable func fuzzMembership(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    var membership = acquainted
    var effects = Membership.Effects()
    var now = Instant(nanoseconds: 1_000_000_000)
    var counter: UInt64 = 0
    var steps = 0
    while !input.isAtEnd, steps < 64 {
        steps += 1
        effects.clear()
        let kind = input.byte()
        let member = Int(kind >> 4) % (memberCount + 1)
        switch kind & 15 {
        case 0, 1, 2:
            // What a member says: the header as it should be.
            counter += 1
            var writer = WireWriter()
            writer.write(
                PacketHeader(
                    version: ProtocolVersion.current, sender: description(member).id, senderEpoch: 3, receiverEpoch: 3,
                    counter: counter))
            writer.bytes += input.run()
            membership.receive(
                datagram: writer.bytes.raw, from: description(member).endpoint, at: now, into: &effects)
        case 3:
            membership.receive(
                datagram: input.run().raw, from: description(member).endpoint, at: now, into: &effects)
        case 4, 5, 6:
            membership.receive(
                frame: ([ProtocolVersion.current] + input.run()).raw, from: description(member).id, at: now,
                into: &effects)
        case 7: membership.receive(frame: input.run().raw, from: description(member).id, at: now, into: &effects)
        case 8:
            let boot = Boot(epoch: input.number() >> UInt64(input.byte() & 63), nonce: UInt64(member))
            let endpoint = Endpoint(ipv4: UInt32(truncatingIfNeeded: input.number()), port: UInt16(input.byte()))
            membership.step(
                .streamOpened(description(member).id, boot: boot, endpoint: endpoint), at: now, into: &effects)
        case 9:
            let boot = Boot(epoch: 3, nonce: UInt64(member))
            membership.step(
                .streamClosed(description(member).id, boot: boot, refused: input.byte() & 1 == 1), at: now,
                into: &effects)
        case 10: membership.step(.exchange(description(member).id), at: now, into: &effects)
        case 11: membership.step(.advertise([Label("load", "\(input.byte())")]), at: now, into: &effects)
        case 12: membership.step(.raise(name: "e", payload: Array(input.run().prefix(512))), at: now, into: &effects)
        case 13: if input.byte() == 255 { membership.step(.leave, at: now, into: &effects) }
        default:
            now = now + .milliseconds(Int64(input.byte()) << Int64(input.byte() & 15))
            membership.step(.wake, at: now, into: &effects)
        }
        check(membership, effects)
    }
    live(&membership, at: now)
}

/// Whatever came in, what goes out is well formed and bounded.
private func check(_ membership: Membership, _ effects: borrowing Membership.Effects) {
    require(effects.bytes.count <= 20 << 20, "one step wants \(effects.bytes.count) bytes sent")
    for effect in effects.list {
        switch effect {
        case .datagram(let endpoint, let range):
            require(range.count <= membership.configuration.datagramBytesMax, "a datagram of \(range.count) bytes")
            require(endpoint.port > 0, "a datagram to \(endpoint)")
            require(range.count >= PacketHeader.byteCount, "a datagram without a header")
        case .stream(_, _, let range):
            require(range.count + 64 <= PeerFrame.bytesMax, "a frame of \(range.count) bytes")
        default: break
        }
    }
    let counts = membership.memberCounts
    require(
        counts.alive + counts.suspect + counts.dead + counts.left == membership.memberCount,
        "\(counts) of \(membership.memberCount) members")
    require(membership.state(of: membership.local.id) != .dead, "a node holds itself for dead")
}

/// Ten seconds pass: no wake is left undone, and none calls for another without end.
private func live(_ membership: inout Membership, at now: Instant) {
    var effects = Membership.Effects()
    var (time, wakes) = (now, 0)
    let end = now + .seconds(10)
    while membership.nextWake <= end {
        time = max(time, membership.nextWake)
        effects.clear()
        membership.step(.wake, at: time, into: &effects)
        wakes += 1
        require(wakes < 5000, "\(wakes) wakes in ten seconds")
    }
    check(membership, effects)
}
