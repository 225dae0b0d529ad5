internal import FoundationEssentials
internal import HummingbirdCore
internal import MeshCore
internal import MeshRuntime

// What is asked of dead letters over HTTP.

extension RequestHandler {
    /// Its body is text where it is text, and base64 where it is not.
    func deadLetter(_ id: DeadLetterID) async throws -> DeadLetterView {
        var (letter, body) = try await self.control.deadLetter(id)
        letter.body = String(validating: body, as: UTF8.self)
        if letter.body == nil { letter.body_base64 = Data(body).base64EncodedString() }
        return letter
    }
}

extension RoutedRequest {
    private static let pageDefault = 100

    func deadLetterPage() throws(MeshError) -> DeadLetterPage {
        var page = DeadLetterPage(prefix: try self.prefix(), limit: Self.pageDefault)
        if let text = self.query["after"] { page.after = try DeadLetterID(checking: String(text)) }
        if let text = self.query["limit"] {
            guard let limit = Int(text), 1...DeadLetterPage.limitMax ~= limit else {
                throw MeshError(.invalidArgument, "limit is a whole number from 1 to \(DeadLetterPage.limitMax)")
            }
            page.limit = limit
        }
        return page
    }

    /// Either ids or a prefix: nothing is done to all of them by mistake.
    func deadLetterSelection() throws(MeshError) -> DeadLetterSelection {
        struct Body: Decodable {
            var ids: [String]?
            var prefix: String?
        }
        let hint = #"write {"ids":["17-3"]}, or {"prefix":"/text/"} for all of the paths that begin so"#
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(self.body)) else {
            throw MeshError(.invalidArgument, "the body does not name dead letters", hint: hint)
        }
        switch (body.ids, body.prefix) {
        case (let ids?, nil) where !ids.isEmpty:
            var named: [DeadLetterID] = []
            for id in ids { named.append(try DeadLetterID(checking: id)) }
            return .named(named)
        case (nil, let prefix?):
            guard prefix.hasPrefix("/"), prefix.utf8.count <= ActorPath.bytesMax else {
                throw MeshError(
                    .invalidArgument, "a prefix begins with / and has at most \(ActorPath.bytesMax) bytes", hint: hint)
            }
            return .under(prefix)
        default: throw MeshError(.invalidArgument, "the body names neither ids nor a prefix, or both", hint: hint)
        }
    }
}

extension DeadLetterID {
    init(checking text: String) throws(MeshError) {
        guard let id = DeadLetterID(text) else {
            throw MeshError(
                .invalidArgument, "'\(text.prefix(64))' is no dead letter",
                hint: "an id is a partition and a number, such as 17-3")
        }
        self = id
    }
}
