internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Gives the server's bare answer to what its parser refuses the body that all our errors have.
///
/// Below us the parser's error becomes a 400 with nothing in it; no answer of ours lacks a content type.
final class RefusalBody: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(let head) = self.unwrapOutboundIn(data), head.status == .badRequest,
            head.headerFields[.contentType] == nil
        else {
            context.write(data, promise: promise)
            return
        }
        let failure = HTTPFailure(
            .badRequest, "invalid_argument", "this is not a request of HTTP/1.1, or its head is too large",
            hint: "a head has at most 32 KiB and 100 fields", headers: [.connection: "close"])
        var fields = failure.headers
        let body = ByteBuffer(bytes: failure.body)
        fields[.contentType] = "application/json"
        fields[.contentLength] = String(body.readableBytes)
        context.write(
            self.wrapOutboundOut(.head(HTTPResponse(status: head.status, headerFields: fields))), promise: nil)
        context.write(self.wrapOutboundOut(.body(body)), promise: promise)
    }
}
