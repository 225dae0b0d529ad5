internal import Logging
internal import MeshCore
internal import NIOCore
internal import NIOPosix
internal import Synchronization

// Putting the parts together: sockets, loops, membership, streams.

extension MeshNetwork {
    func start(handler: any PeerHandler, on group: MultiThreadedEventLoopGroup) async throws -> Running {
        let (gossipLoop, streamLoop) = (group.next(), group.next())
        let streamsBox = NIOLoopBoundBox<Streams?>.makeEmptyBox(valueType: Streams.self, eventLoop: streamLoop)
        let binding = try await Binding.bind(
            self.configuration.bind, datagramLoop: gossipLoop, streamLoop: streamLoop
        ) { channel in
            // Before the streams exist, and when there are too many unknown ones, the door is shut.
            guard let connection = streamsBox.value?.accept(from: channel.remoteAddress) else { throw ChannelError.eof }
            do { try channel.pipeline.syncOperations.addHandler(connection) } catch {
                // Gone before it was looked at: nobody else would take it off the list of the unknown.
                connection.close(.broken)
                throw error
            }
        }
        do {
            let addresses = Addresses(bound: binding.bound, advertised: try await self.advertised(binding))
            let gossipBox = NIOLoopBoundBox<Gossip?>.makeEmptyBox(valueType: Gossip.self, eventLoop: gossipLoop)
            let streams = try await streamLoop.submit {
                let streams = self.makeStreams(addresses, streamLoop, handler, gossipBox)
                streamsBox.value = streams
                streams.keepTicking()
                return NIOLoopBound(streams, eventLoop: streamLoop)
            }.get()
            let gossip = try await gossipLoop.submit {
                let gossip = self.makeGossip(addresses, binding, streamLoop, streams)
                gossipBox.value = gossip
                try binding.datagrams.pipeline.syncOperations.addHandler(gossip)
                gossip.step(.wake)
                return NIOLoopBound(gossip, eventLoop: gossipLoop)
            }.get()
            return Running(
                group: group, gossipLoop: gossipLoop, streamLoop: streamLoop, gossip: gossip, streams: streams,
                binding: binding, addresses: addresses)
        } catch {
            try? await binding.datagrams.close()
            try? await binding.listener.close()
            throw error
        }
    }

    private func makeStreams(
        _ addresses: Addresses, _ loop: any EventLoop, _ handler: any PeerHandler, _ gossip: NIOLoopBoundBox<Gossip?>
    ) -> Streams {
        let gossipLoop = gossip.eventLoop
        let events = StreamEvents(
            opened: { id, boot, endpoint in
                gossipLoop.execute { gossip.value?.step(.streamOpened(id, boot: boot, endpoint: endpoint)) }
            },
            closed: { id, boot, refused in
                gossipLoop.execute { gossip.value?.step(.streamClosed(id, boot: boot, refused: refused)) }
            },
            released: { id, boot in gossipLoop.execute { gossip.value?.step(.streamReleased(id, boot: boot)) } },
            gossipFrame: { id, frame, done in
                gossipLoop.execute {
                    gossip.value?.receive(frame, from: id)
                    done()
                }
            },
            keyringFrame: { id, frame in self.keyFrameCame.yield((frame, id)) },
            lockedOut: { id, isOut in
                self.lockedOut.withLock { out in
                    if !isOut { out.remove(id) } else if out.count < Self.lockedOutMax { out.insert(id) }
                }
            })
        let context = StreamContext(
            identity: self.configuration.identity, cluster: self.configuration.cluster,
            keys: self.state.withLock { $0.keys },
            hello: Hello(boot: self.configuration.boot, endpoint: addresses.advertised))
        return Streams(
            context: context, outboxes: self.outboxes, loop: loop, directory: self.directory, handler: handler,
            admission: self.admission, events: events, refusals: self.refusals, logger: self.logger)
    }

    private func makeGossip(
        _ addresses: Addresses, _ binding: Binding, _ streamLoop: any EventLoop, _ streams: NIOLoopBound<Streams>
    ) -> Gossip {
        let membership = Membership(
            local: self.description(at: addresses.advertised, tags: self.configuration.tags),
            configuration: self.configuration.membership, seed: self.configuration.seed, at: .now())
        let outlet = Gossip.Outlet(
            stream: { node, endpoint, bytes in
                // A full queue loses the frame, as the network might have; the membership tries again.
                let frame = PeerFrame(kind: .membership, body: bytes)
                guard case .schedule = self.outboxes.offer([frame], to: node) else { return }
                streamLoop.execute { streams.value.flush(node, at: endpoint) }
            },
            neighbours: { nodes in streamLoop.execute { streams.value.keep(nodes) } },
            event: { self.hub.publish($0) })
        return Gossip(
            engine: GossipEngine(
                membership: membership, cluster: self.configuration.cluster, keys: self.state.withLock { $0.keys }),
            channel: binding.datagrams, family: binding.family, directory: self.directory, outlet: outlet,
            diagnosis: self.makeDiagnosis(on: binding.datagrams.eventLoop, streamLoop: streamLoop),
            refusals: self.refusals)
    }

    func description(at endpoint: Endpoint, tags: [Label]) -> MemberDescription {
        MemberDescription(
            id: self.localID, boot: self.configuration.boot, endpoint: endpoint, name: self.configuration.name,
            zone: self.configuration.zone, version: self.configuration.version, tags: tags)
    }

    private func advertised(_ binding: Binding) async throws -> Endpoint {
        let (bound, isIPv6) = (binding.bound, binding.family == .inet6)
        guard let name = self.configuration.advertise else {
            return bound.isUnspecified ? Resolver.ownAddress(port: bound.port, ipv6: isIPv6) : bound
        }
        let candidates = try await Resolver.resolve(name).filter { isIPv6 || $0.ipv4 != nil }
        guard let chosen = candidates.first(where: { !$0.isUnspecified }) else {
            throw TransportError(
                .cannotAdvertise, "nobody could reach this node at '\(name)': advertise an address others can use")
        }
        return name.port == 0 ? chosen.with(port: bound.port) : chosen
    }
}

extension Endpoint {
    /// Before anything is bound.
    static let nowhere = Endpoint(ipv4: 0, port: 0)
}
