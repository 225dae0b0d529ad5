import NIOCore
import NIOPosix

/// A client that says exactly the bytes it is told to, at the time it is told to.
struct RawConnection {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    static func open<Result: Sendable>(
        port: Int, _ body: @Sendable (inout Peer) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var peer = Peer(iterator: inbound.makeAsyncIterator(), outbound: outbound)
            return try await body(&peer)
        }
    }

    struct Peer {
        var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        var received = ""

        func say(_ text: String) async throws { try await self.outbound.write(ByteBuffer(string: text)) }

        /// Everything up to the end of the connection, or up to the first time `text` was heard.
        mutating func hear(until text: String? = nil) async throws -> String {
            while true {
                if let text, self.received.contains(text) { break }
                guard let buffer = try await self.iterator.next(isolation: #isolation) else { break }
                self.received += String(buffer: buffer)
            }
            return self.received
        }
    }
}
