internal import FoundationEssentials
internal import HTTPTypes
internal import HummingbirdCore
internal import MeshCore
internal import NIOCore

/// An answer that is not a success: what the error body says, and the status and headers around it.
struct HTTPFailure: Error, Sendable {
    var status: HTTPResponse.Status
    /// Stable, for programs: a `MeshError.Code`, or one of the few that only HTTP knows.
    var code: String
    var message: String
    var hint: String
    var accepted: MeshError.Accepted
    var headers: HTTPFields

    init(
        _ status: HTTPResponse.Status, _ code: String, _ message: String, hint: String = "",
        accepted: MeshError.Accepted = .no, headers: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.accepted = accepted
        self.headers = headers
    }

    init(_ error: MeshError) {
        let status = error.code.status
        self.init(status, error.code.rawValue, error.message, hint: error.hint, accepted: error.accepted)
        if status == .tooManyRequests || status == .serviceUnavailable {
            self.headers[.retryAfter] = String(wholeSeconds(error.retryAfter ?? .seconds(1)))
        }
        if status == .unauthorized { self.headers[.wwwAuthenticate] = "Bearer realm=\"meshnode\"" }
    }

    /// Whatever a handler threw. Text of errors we do not know stays in the log: it may hold what is not the
    /// caller's business.
    init(unexpected error: any Error) {
        switch error {
        case let failure as HTTPFailure: self = failure
        case let error as MeshError: self.init(error)
        case let error as ActorPathError: self.init(MeshError(.invalidArgument, error.description))
        case is CancellationError:
            self.init(
                MeshError(
                    .unavailable, "the node is shutting down", hint: "ask another node, or again when it is back",
                    accepted: .unknown))
        default:
            self.init(
                MeshError(.internalError, "the node failed", hint: "its log names the cause", accepted: .unknown))
        }
    }

    var response: Response {
        var headers = self.headers
        headers[.contentType] = "application/json"
        return Response(
            status: self.status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: self.body)))
    }

    var body: [UInt8] {
        struct Body: Encodable {
            struct Failure: Encodable {
                var code: String
                var message: String
                var hint: String
                var accepted: MeshError.Accepted
            }

            var error: Failure
        }
        return jsonBytes(
            Body(error: .init(code: self.code, message: self.message, hint: self.hint, accepted: self.accepted)))
    }
}

extension MeshError.Code {
    /// The status of an answer with this code; `docs/http-api.md` has the table.
    var status: HTTPResponse.Status {
        switch self {
        case .invalidArgument: .badRequest
        case .unauthenticated: .unauthorized
        case .notFound: .notFound
        case .conflict: .conflict
        case .tooLarge: .contentTooLarge
        case .overloaded: .tooManyRequests
        case .unavailable: .serviceUnavailable
        case .deadlineExceeded: .gatewayTimeout
        // The mesh did its part; what it passed the message to did not (RFC 9110, 15.6.3).
        case .handlerFailed: .badGateway
        case .internalError: .internalServerError
        }
    }
}

extension Response {
    /// Keys are sorted, so that equal values have equal bytes.
    static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: jsonBytes(value))))
    }

    static func text(_ text: String, status: HTTPResponse.Status = .ok, type: String = "text/plain; charset=utf-8")
        -> Response
    {
        Response(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

func jsonBytes(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    guard let data = try? encoder.encode(value) else {
        // Our views hold strings, numbers and lists of them, which always encode.
        preconditionFailure("not encodable: \(type(of: value))")
    }
    return Array(data)
}

/// Rounded up and at least one: `Retry-After` knows no fractions, and 0 would invite a storm.
private func wholeSeconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return max(1, attoseconds > 0 ? seconds + 1 : seconds)
}
