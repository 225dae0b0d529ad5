internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore

/// Writes a body to a peer that takes it in time, and cuts off one that does not: it would hold a stream for ever.
///
/// Only a write that waits is timed. A stream on which there is nothing to tell is silent for as long as it likes.
struct BoundedWriter: ResponseBodyWriter {
    private var writer: any ResponseBodyWriter
    private let channel: any Channel
    private let limit: Duration

    init(_ writer: any ResponseBodyWriter, on channel: any Channel, limit: Duration) {
        self.writer = writer
        self.channel = channel
        self.limit = limit
    }

    @concurrent
    mutating func write(_ buffer: ByteBuffer) async throws {
        let alarm = self.alarm()
        defer { alarm.cancel() }
        try await self.writer.write(buffer)
    }

    @concurrent
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        let alarm = self.alarm()
        defer { alarm.cancel() }
        try await self.writer.finish(trailingHeaders)
    }

    private func alarm() -> Alarm { Alarm(on: self.channel, after: self.limit) { $0.close(promise: nil) } }
}
