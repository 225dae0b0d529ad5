import HTTPTypes
import HummingbirdCore
import MeshCore
import MeshRuntime
import NIOCore
import NIOPosix

@testable import MeshGateway

/// A request as the server's parser hands it on: method, target, headers and body are the input's.
@Sendable func fuzzHTTP(_ bytes: [UInt8]) {
    let parts = split(bytes)
    var lines = String(decoding: parts.head, as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)[...]
    let words = (lines.popFirst() ?? "").split(separator: " ", maxSplits: 1)
    guard words.count == 2, let method = HTTPRequest.Method(rawValue: String(words[0])) else { return }
    var headers = HTTPFields()
    for line in lines.prefix(32) {
        let pair = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, let name = HTTPField.Name(String(pair[0])) else { continue }
        let value = String(pair[1].drop { $0 == " " })
        if HTTPField.isValidValue(value) { headers.append(HTTPField(name: name, value: value)) }
    }
    let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = String(target.first ?? "")
    do {
        try? token.check(headers)
        let route = try Route(method: method, path: path)
        var request = try RoutedRequest(
            route: route, headers: headers, query: target.count > 1 ? String(target[1]) : nil)
        if route.takesBody { request.body = parts.body }
        answer(request)
    } catch let failure as HTTPFailure {
        require((400..<500).contains(failure.status.code), "\(failure)")
    } catch {
        require(HTTPFailure(unexpected: error).status.code < 500, "\(error)")
    }
}

private let token = BearerToken("0123456789abcdef")

private func split(_ bytes: [UInt8]) -> (head: ArraySlice<UInt8>, body: [UInt8]) {
    let newline = UInt8(ascii: "\n")
    for index in bytes.indices.dropLast() where bytes[index] == newline && bytes[index + 1] == newline {
        return (bytes[..<index], Array(bytes[(index + 2)...]))
    }
    return (bytes[...], [])
}

/// Waits for the answer: libFuzzer measures one input at a time.
private func answer(_ request: RoutedRequest) {
    let handler = RequestHandler(
        control: ScriptedNode(), decodeDefinitions: { bytes throws(MeshError) in try DefinitionReader.read(bytes) },
        metrics: PrometheusRegistry(), streams: EventStreams(streamsMax: 4), keepAlive: .seconds(1))
    let status = MultiThreadedEventLoopGroup.singleton.any().makeFutureWithTask {
        do { return try await handler.respond(to: request).status.code } catch {
            return HTTPFailure(unexpected: error).status.code
        }
    }
    let code = try? status.wait()
    require(code.map { $0 < 500 } ?? false, "\(request) is answered by \(String(describing: code))")
}
