internal import Logging
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport
internal import UnixSignals

// SIGHUP: what can change while the daemon runs is read anew.

extension Daemon {
    /// Settings that a reload applies; the others are read at a start.
    private static let reloadable: Set<String> = ["tag", "log-level"]

    /// Everything that a reload changes, read and checked before any of it is applied.
    private struct News {
        var configuration: NodeConfiguration
        var tokens: [JoinToken]
    }

    func followReloads(_ signals: UnixSignalsSequence) async -> Occasion {
        var current = self.configuration
        for await _ in signals { current = await self.reload(current) }
        return .done
    }

    /// What holds afterwards; a mistake anywhere leaves everything as it was.
    private func reload(_ current: NodeConfiguration) async -> NodeConfiguration {
        // To the manager of a node that still waits for a seed, the end of a reload would be the end of the start.
        let manager = self.state.phase == .ready ? self.manager : nil
        manager?.isReloading()
        defer { manager?.isReady() }
        do {
            let news = try self.readNews()
            let before = self.network.keyring
            for token in news.tokens { try await self.network.accept(token) }
            let next = news.configuration
            if next.tags != current.tags { try self.network.retag(next.tags) }
            LogLevel.shared.set(next.logLevel)
            var applied: [String] = []
            if next.tags != current.tags { applied.append("tags") }
            if next.logLevel != current.logLevel { applied.append("log-level") }
            if self.network.keyring != before { applied.append("keys") }
            let waiting = Setting.all.filter { setting in
                !Self.reloadable.contains(setting.name) && !setting.isSecret
                    && setting.show(next) != setting.show(self.configuration)
            }.map(\.name)
            // Whoever asked sees the answer, also where the new level would hide it.
            var logger = self.logger
            logger.logLevel = .notice
            logger.notice(
                "reloaded",
                metadata: [
                    "changed": "\(Self.list(applied))", "needs_restart": "\(Self.list(waiting))",
                    "keys": "\(self.network.keyring.keys)",
                ])
            return next
        } catch {
            self.logger.error("nothing was reloaded", metadata: ["error": "\(error)"])
            return current
        }
    }

    private func readNews() throws -> News {
        let configuration = try self.configure()
        try self.network.check(tags: configuration.tags)
        // The files in which an operator puts a new token for a node whose keys were rotated out. After the first join
        // the token's own file may be gone.
        let files = [configuration.tokenFile, self.folder.path + "/mesh.token"].compactMap(\.self)
        let tokens = try files.filter { $0 != "-" }.compactMap { file -> JoinToken? in
            guard let text = try self.folder.token(in: file) else { return nil }
            let token = try JoinToken(checking: text, from: file)
            guard token.cluster == self.mesh.cluster else {
                throw MeshError(
                    .conflict, "\(file) holds the token of another mesh", hint: "put one of this mesh there")
            }
            return token
        }
        return News(configuration: configuration, tokens: tokens)
    }

    private static func list(_ names: [String]) -> String { names.isEmpty ? "nothing" : names.joined(separator: ", ") }
}
