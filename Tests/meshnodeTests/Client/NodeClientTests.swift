import Foundation
import Glibc
import Synchronization
import Testing

@testable import meshnode

@Suite("What a node says, and how long its silence is borne")
struct NodeClientTests {
    @Test("a stream of events that falls silent ends as if the node were away")
    func silentStream() async throws {
        // On a machine that is busy, silence may end the stream before its event was looked at: then again, with patience.
        var silenceMax = Duration.milliseconds(300)
        while silenceMax < .seconds(60) {
            let (heard, failure) = try await self.listen(silenceMax: silenceMax)
            #expect(failure?.isAbsence == true)
            // Only commands that have the flag are told to use it.
            #expect(failure?.hint.contains("--timeout") == false)
            if heard == ["1-1"] { return }
            silenceMax *= 3
        }
        Issue.record("the event was never heard")
    }

    private func listen(silenceMax: Duration) async throws -> (heard: [String], failure: CommandFailure?) {
        let server = try OneAnswer(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: user\nid: 1-1\ndata: {}\n\n")
        let address = try NodeAddress(
            node: "127.0.0.1:\(server.port)", data: "/nonexistent", tokenFile: nil, environment: [:])
        let heard = Mutex<[String]>([])
        let failure = await #expect(throws: CommandFailure.self) {
            try await NodeClient.with(address, silenceMax: silenceMax) { node in
                try await node.events("/v1/events") { event in heard.withLock { $0.append(event.id) } }
            }
        }
        return (heard.withLock { $0 }, failure)
    }
}

/// Accepts one connection, says one thing, and then nothing more, until it is let go.
private final class OneAnswer: Sendable {
    let port: UInt16
    private let listener: Int32

    init(_ text: String) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener, address, length) + listen(listener, 1) + getsockname(listener, address, &length)
            }
        }
        try #require(status == 0)
        self.listener = listener
        self.port = UInt16(bigEndian: address.sin_port)
        startThread {
            let connection = accept(listener, nil, nil)
            let bytes = Array(text.utf8)
            _ = unsafe write(connection, bytes, bytes.count)
            var byte: UInt8 = 0
            // Until the client hangs up.
            while unsafe read(connection, &byte, 1) > 0 {}
            close(connection)
        }
    }

    deinit { close(self.listener) }
}
